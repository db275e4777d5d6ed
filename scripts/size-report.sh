#!/bin/sh
# Tells what the binary's bytes are spent on: sections, then crates, then weft's rooms, then the largest functions.
#
# Usage: scripts/size-report.sh [path of an unstripped weft]
#
# Without a path it builds one: the release profile, unstripped, with symbol names that carry their types (v0), so that what
# the standard library's generic code costs is counted for the room that uses it. Rust's own code (std, core, alloc and
# what std brings: gimli, addr2line, rustc_demangle, hashbrown) is one group. What the linker merged is counted once.
# Needs binutils.
set -eu
cd "$(dirname "$0")/.."
binary=${1:-}
if [ -z "$binary" ]; then
    # --target, so that the flag is not for build scripts, too.
    target=$(rustc -vV | sed -n 's/^host: //p')
    CARGO_PROFILE_RELEASE_STRIP=none RUSTFLAGS="-Csymbol-mangling-version=v0 ${RUSTFLAGS:-}" \
        cargo build --release --locked --bin weft --target "$target" --target-dir target/size >&2
    binary=target/size/$target/release/weft
fi
[ -f "$binary" ] || { echo "weft: size-report.sh: $binary: not there" >&2; exit 2; }

stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$binary"
printf 'stripped: %s bytes\n\nsections, bytes\n' "$(stat -c %s "$stripped")"
size -A "$stripped" | awk '$2 > 999 && $1 ~ /^\./ { printf "%9d  %s\n", $2, $1 }' | sort -rn

# decimal size, kind and name of every symbol, each address once
symbols() { nm -S -C -t d "$binary" | awk 'NF >= 4 && $2 > 0 && !seen[$1]++ { size = $2 + 0; kind = $3; $1 = $2 = $3 = ""; print size, kind, substr($0, 4) }'; }
sums() { awk '{ sum[$2] += $1; count[$2]++ } END { for (key in sum) printf "%9d %5d  %s\n", sum[key], count[key], key }' | sort -rn; }

[ "$(symbols | wc -l)" -gt 0 ] || { echo "weft: size-report.sh: $binary: no symbols" >&2; exit 2; }
printf '\ncrates: bytes, symbols (generic code counts for the first crate of ours or of others in its name)\n'
symbols | awk '{
    # A method after a type is no crate.
    name = $0; gsub(/>::[a-zA-Z_0-9]+/, ">", name); gsub(/::</, "<", name); crate = "C and others"
    while (match(name, /[a-zA-Z_][a-zA-Z_0-9]*::/)) {
        word = substr(name, RSTART, RLENGTH - 2); name = substr(name, RSTART + RLENGTH)
        if (word ~ /^(std|core|alloc|gimli|addr2line|rustc_demangle|hashbrown|__rustc|std_detect|object|backtrace_rs)$/) {
            if (crate == "C and others") crate = "std"
        } else { if (crate == "C and others" || crate == "std") crate = word; break }
        # The rest of a path belongs to the same crate.
        while (match(name, /^[a-zA-Z_0-9]*::/)) name = substr(name, RLENGTH + 1)
    }
    print $1, crate
}' | sed 's/ C and others$/ C_and_others/' | sums | head -20

printf '\nrooms of weft: bytes, symbols (the first of ours in a name)\n'
symbols | awk 'match($0, /weft::[a-z_0-9]+(::[a-z_0-9]+)?/) { print $1, substr($0, RSTART, RLENGTH) }' | sums | head -60

printf '\nlargest functions and tables\n'
symbols | sort -rn | head -40 | cut -c 1-150
