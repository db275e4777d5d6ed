#!/usr/bin/env bash
# Builds the static binary twice, in two folders and with two folders of crates, and compares. One sha256, or it fails and says where
# they differ first.
#
#   scripts/build/reproducible.sh [flavour]     (default: default)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
flavour=${1:-default}
target=$(uname -m)-unknown-linux-musl
need_packages git
need_static_rust "$target" || die "reproducible.sh: nothing here compiles for $target"
"${CARGO:-cargo}" fetch --locked --quiet
work=$(mktemp -d /var/tmp/weft-twice.XXXXXX)
trap 'rm -rf "$work"' EXIT
commit=$(git rev-parse --short=12 HEAD)
for place in one another/place; do
    mkdir -p "$work/$place"
    git ls-files -z | xargs -0 cp --parents -t "$work/$place"
    # Another user's folder of crates, with the same content.
    cp -r "${CARGO_HOME:-$HOME/.cargo}/registry" "$work/$place.cargo.registry"
    mkdir -p "$work/$place.cargo" && mv "$work/$place.cargo.registry" "$work/$place.cargo/registry"
    (
        cd "$work/$place"
        export CARGO_HOME=$work/$place.cargo WEFT_COMMIT=$commit SOURCE_DATE_EPOCH=0
        RUSTFLAGS="--remap-path-prefix=$PWD=/weft --remap-path-prefix=$CARGO_HOME=/cargo" \
            CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=$PWD/target scripts/build/static.sh "$flavour" "$target" >"$work/log" 2>&1 ||
            { cat "$work/log" >&2; exit 1; }
        cp "target/static-$flavour/$target/release/weft" "$work/${place%%/*}.weft"
    )
done
sha256sum "$work"/*.weft
cmp "$work/one.weft" "$work/another.weft" || die "reproducible.sh: two folders gave two binaries"
! grep -qaF "$work" "$work/one.weft" || die "reproducible.sh: the folder of the build is in the binary"
say "reproducible: the same bytes from two folders"
