#!/bin/sh
# Builds the static musl binary in one of its flavours, prints where it is and how large, and whether that is above its aim. Fails
# above 10 MB; growth is held by scripts/ci/gates.sh.
#
# Usage: scripts/build/static.sh [default|wasm|edge|edge-offline] [target]     (default: default x86_64-unknown-linux-musl)
#
#   default       all features, built for speed, with the standard library that rustup ships for the target
#   wasm          the same with the sandbox types `wasm` and `combined`
#   edge          scan, sandbox and client, built for size
#   edge-offline  scan and sandbox, built for size
#
# "For size" is opt-level z, code that repeats moved into functions of its own (LLVM's outliner), and a standard library compiled
# along, without its backtraces: weft tells a panic by file and line only. That needs the component rust-src and
# RUSTC_BOOTSTRAP=1. Where rustup has no standard library for the target, the others compile it along as well, as it ships.
# CARGO, RUSTC and CARGO_TARGET_DIR are respected; STATIC_COOK=FILE builds only what a recipe of cargo-chef names. See docs/size.md for what each of this is worth.
set -eu
cd "$(dirname "$0")/../.."
flavour=${1:-default}
target=${2:-x86_64-unknown-linux-musl}
cargo=${CARGO:-cargo}
rustc=${RUSTC:-rustc}
die() { printf 'weft: %s\n' "$*" >&2; exit 2; }

case $flavour in
    default) features=default aim=3000000 ;;
    wasm) features=default,wasm aim=3850000 ;;
    edge) features=edge aim=2300000 ;;
    edge-offline) features=edge-offline aim=1200000 ;;
    *) die "static.sh: no flavour $flavour: use default, wasm, edge or edge-offline" ;;
esac
folder=${CARGO_TARGET_DIR:-$PWD/target}/static-$flavour
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
# Names that say all of what they are: the order of what a start goes through (build/start.txt) goes by them.
flags="-Ctarget-feature=+crt-static -Crelocation-model=static -Csymbol-mangling-version=v0"
set -- --release --locked --bin weft --target "$target" --target-dir "$folder" --no-default-features --features "$features"
# Only the dependencies, as cargo-chef found them: for a layer of an image that stays when the source changes.
if [ -n "${STATIC_COOK:-}" ]; then set -- chef cook --recipe-path "$STATIC_COOK" "$@"; else set -- build "$@"; fi

lib=$("$rustc" --print sysroot)/lib/rustlib/$target/lib
shipped=no
for std in "$lib"/libstd-*.rlib; do
    [ -e "$std" ] && shipped=yes
done
case $flavour in default | wasm) speed=yes ;; *) speed=no ;; esac
if [ $speed = no ] || [ $shipped = no ]; then
    export RUSTC_BOOTSTRAP=1
    set -- "$@" -Zbuild-std=std,panic_abort
fi
if [ $speed = yes ]; then
    # As in the one that ships, so that what is measured here holds there.
    export CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_OPT_LEVEL=0
else
    set -- "$@" -Zbuild-std-features=optimize_for_size
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=z
    flags="$flags -Cllvm-args=-enable-machine-outliner=always"
fi
if [ $shipped = no ]; then
    # Without the crt1.o and libc.a that come with a shipped target: the system's, from musl-tools.
    command -v musl-gcc >/dev/null || die "static.sh: rustup has nothing for $target and there is no musl-gcc: install musl-tools"
    mkdir -p "$folder/lib"
    # Nothing unwinds; the standard library asks for the library by name nevertheless, and walks the stack with it for backtraces,
    # which end at once here.
    printf '%s\n' 'int _Unwind_Backtrace(void *f, void *a) { (void)f; (void)a; return 5; }' \
        'unsigned long _Unwind_GetIP(void *c) { (void)c; return 0; }' \
        'unsigned long _Unwind_GetIPInfo(void *c, int *b) { (void)c; *b = 0; return 0; }' \
        'unsigned long _Unwind_GetCFA(void *c) { (void)c; return 0; }' \
        'void *_Unwind_FindEnclosingFunction(void *p) { (void)p; return 0; }' > "$folder/lib/unwind.c"
    musl-gcc -Os -c -o "$folder/lib/unwind.o" "$folder/lib/unwind.c"
    ar rcs "$folder/lib/libunwind.a" "$folder/lib/unwind.o"
    flags="$flags -Clink-self-contained=no -Clinker=musl-gcc -L$folder/lib"
fi
RUSTFLAGS="$flags ${RUSTFLAGS:-}" "$cargo" "$@"
[ -z "${STATIC_COOK:-}" ] || exit 0
binary=$folder/$target/release/weft
size=$(stat -c %s "$binary")
above=
[ "$size" -le "$aim" ] || above=", ABOVE ITS AIM by $((size - aim))"
printf '%s %s %s bytes, aim %s%s\n' "$binary" "$flavour" "$size" "$aim" "$above"
[ "$size" -le 10000000 ] || die "static.sh: $flavour has $size bytes: the limit is 10,000,000"
