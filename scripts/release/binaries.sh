#!/usr/bin/env bash
# What a release holds: a static binary for each flavour and processor, SHA256SUMS, and a list of the crates in them (SPDX).
#
#   scripts/release/binaries.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
folder=${1:?usage: binaries.sh FOLDER}
targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)
need_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross git python3
need_static_rust "${targets[@]}" || die "binaries.sh: nothing here compiles for ${targets[*]}"
# Small boards: the flavours for size only. Where rustup has no standard library for it, Zig brings what static.sh links with.
small=riscv64gc-unknown-linux-musl
if (need_packages gcc-riscv64-linux-gnu libc6-dev-riscv64-cross) && rustup target add "$small" >/dev/null 2>&1 || python3 -m ziglang version >/dev/null 2>&1; then
    targets+=("$small")
else
    echo "SKIPPED: $small: neither rustup nor Zig (pip install ziglang) has what it is linked with"
fi
mkdir -p "$folder"
# Neither the folder nor the user is part of a release: scripts/build/reproducible.sh.
export RUSTFLAGS="--remap-path-prefix=$PWD=/weft --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo ${RUSTFLAGS:-}" SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}
for target in "${targets[@]}"; do
    case $target in
        aarch64-*)
            export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc
            ;;
        riscv64gc-*)
            export CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_MUSL_LINKER=riscv64-linux-gnu-gcc CC_riscv64gc_unknown_linux_musl=riscv64-linux-gnu-gcc
            ;;
    esac
    for flavour in default wasm edge edge-offline; do
        case $target-$flavour in "$small"-default | "$small"-wasm) continue ;; esac
        processor=${target%%-*}
        name=weft-${processor%gc}
        [ "$flavour" = default ] || name=$name-$flavour
        scripts/build/static.sh "$flavour" "$target"
        cp "${CARGO_TARGET_DIR:-target}/static-$flavour/$target/release/weft" "$folder/$name"
    done
done
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) python3 scripts/release/sbom.py > "$folder/weft.spdx.json"
(cd "$folder" && sha256sum -- weft* > SHA256SUMS)
