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
    # A panic is one instruction that traps, and src/sys/trap.rs tells its address. Compilers before 1.92 cannot.
    if "$rustc" -Zunstable-options -Cpanic=immediate-abort --print cfg >/dev/null 2>&1; then
        export CARGO_PROFILE_RELEASE_PANIC=immediate-abort
        set -- "$@" -Zpanic-immediate-abort
    fi
    flags="$flags -Cllvm-args=-enable-machine-outliner=always --cfg sha2_backend_soft=\"compact\""
    set -- "$@" --config 'profile.release.package.regex-lite.opt-level="z"'
    # The linker that folds functions of the same code. It comes with rustup's toolchain; without it the binary is a little larger.
    lld=$("$rustc" --print sysroot)/lib/rustlib/$("$rustc" -vV | sed -n 's/^host: //p')/bin/gcc-ld
    [ ! -e "$lld/ld.lld" ] || flags="$flags -Clink-arg=-B$lld -Clink-arg=-fuse-ld=lld -Clink-arg=-Wl,--icf=all"
fi
if [ $shipped = no ]; then
    # Without the crt1.o and libc.a that come with a shipped target: the system's, from musl-tools; for another processor Zig's.
    mkdir -p "$folder/lib"
    linker=musl-gcc
    if [ "${target%%-*}" != "$(uname -m)" ]; then
        zig=zig
        command -v zig >/dev/null || zig="python3 -m ziglang"
        $zig version >/dev/null 2>&1 || die "static.sh: rustup has nothing for $target and there is no zig: pip install ziglang"
        linker=$folder/lib/cc
        case $target in riscv64gc-*) processor=riscv64 ;; *) processor=${target%%-*} ;; esac
        # It brings a linker of its own, start-up code and an unwinder, and knows this option by another name.
        cat > "$linker" <<END
#!/bin/sh
for word; do
    shift
    case \$word in
        -fuse-ld=lld | -B*gcc-ld | -lunwind | -nostartfiles | -nodefaultlibs | -Wl,--icf=all) ;;
        --target=* | -march=* | -mabi=*) ;;
        *) set -- "\$@" "\$word" ;;
    esac
done
exec $zig cc -target $processor-linux-musl "\$@"
END
        chmod +x "$linker"
        variable=$(printf %s "$target" | tr - _)
        export "CC_$variable=$linker"
    fi
    command -v "$linker" >/dev/null || die "static.sh: rustup has nothing for $target and there is no musl-gcc: install musl-tools"
    # The standard library asks for the unwinder by name; what it would call is in src/sys/unwind.rs.
    ar rcs "$folder/lib/libunwind.a"
    flags="$flags -Clink-self-contained=no -Clinker=$linker -L$folder/lib"
fi
RUSTFLAGS="$flags ${RUSTFLAGS:-}" "$cargo" "$@"
[ -z "${STATIC_COOK:-}" ] || exit 0
binary=$folder/$target/release/weft
size=$(stat -c %s "$binary")
above=
[ "$size" -le "$aim" ] || above=", ABOVE ITS AIM by $((size - aim))"
printf '%s %s %s bytes, aim %s%s\n' "$binary" "$flavour" "$size" "$aim" "$above"
[ "${CARGO_PROFILE_RELEASE_STRIP:-}" = none ] || [ "$size" -le 10000000 ] || die "static.sh: $flavour has $size bytes: the limit is 10,000,000"
