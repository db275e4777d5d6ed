#!/bin/sh
# Tells function, file and line of an address that an edge flavour named ("weft: internal error: 0x…"): builds the same binary with its
# symbols, from the sources at hand. They have to be those of the report (`weft --version` names the commit), and so have compiler and
# flavour: where.sh says so when the code is another.
#
# Usage: scripts/build/where.sh FLAVOUR BINARY ADDRESS...     (BINARY: the stripped one that the address is from)
#
# Needs binutils.
set -eu
cd "$(dirname "$0")/../.."
die() { printf 'weft: %s\n' "$*" >&2; exit 2; }
[ $# -ge 3 ] || die "where.sh: usage: where.sh FLAVOUR BINARY ADDRESS..."
flavour=$1 binary=$2
shift 2
[ -f "$binary" ] || die "where.sh: no such file: $binary: give the binary that the address is from"
target=${TARGET:-$(uname -m)-unknown-linux-musl}
folder=${CARGO_TARGET_DIR:-$PWD/target}/where
CARGO_TARGET_DIR=$folder CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only scripts/build/static.sh "$flavour" "$target" >&2
built=$folder/static-$flavour/$target/release/weft
code() { objcopy -O binary --only-section=.text "$1" /dev/stdout | sha256sum; }
[ "$(code "$built")" = "$(code "$binary")" ] || echo "weft: where.sh: $binary: its code is not that of these sources and this compiler: the lines below may be wrong" >&2
addr2line -Cfipe "$built" "$@"
