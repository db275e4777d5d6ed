#!/usr/bin/env bash
# What a release holds: a static binary for each flavour and processor, SHA256SUMS, and a list of the crates in them (SPDX).
#
#   scripts/release/binaries.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
folder=${1:?usage: binaries.sh FOLDER}
need_packages gcc libc6-dev musl-tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross git python3
need_rust
mkdir -p "$folder"
for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
    command -v rustup >/dev/null && rustup target add "$target"
    case $target in
        aarch64-*)
            export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc
            ;;
    esac
    for flavour in default edge edge-offline; do
        name=weft-${target%%-*}
        [ "$flavour" = default ] || name=$name-$flavour
        # The gates are the pull request's; a release that was let through them is built whatever they say.
        scripts/build/static.sh "$flavour" "$target" || [ -e "target/static-$flavour/$target/release/weft" ]
        cp "target/static-$flavour/$target/release/weft" "$folder/$name"
    done
done
python3 scripts/release/sbom.py > "$folder/weft.spdx.json"
(cd "$folder" && sha256sum -- weft* > SHA256SUMS)
