#!/bin/sh
# Inside the image that builds weft: what links for a processor, and the build.
#
#   docker-tools.sh install ARCH     packages and the Rust target; ARCH as Docker says it: amd64, arm64
#   docker-tools.sh build ARCH       the static binary, to /out/weft; with STATIC_COOK=recipe.json only its dependencies
set -eu
arch=${2:-}
case $arch in
    amd64) target=x86_64-unknown-linux-musl gcc=gcc package=gcc ;;
    arm64) target=aarch64-unknown-linux-musl gcc=aarch64-linux-gnu-gcc package="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
    *) echo "weft: docker-tools.sh: no processor $arch: use amd64 or arm64" >&2; exit 2 ;;
esac
# The compiler that belongs to the machine needs nothing added.
[ "$(dpkg --print-architecture)" != "$arch" ] || { gcc=gcc; package=gcc; }

case $1 in
    install)
        command -v $gcc >/dev/null && [ -e /etc/ssl/certs/ca-certificates.crt ] || {
            apt-get update -qq
            # shellcheck disable=SC2086 # several words
            apt-get install -y -qq --no-install-recommends $package ca-certificates
            rm -rf /var/lib/apt/lists/*
        }
        # Without rustup (a distribution's Rust) the standard library is compiled along: static.sh does that.
        ! command -v rustup >/dev/null || rustup target add "$target"
        ;;
    build)
        name=$(echo "$target" | tr 'a-z-' 'A-Z_')
        export "CARGO_TARGET_${name}_LINKER=$gcc" "CC_$(echo "$target" | tr - _)=$gcc"
        # The folder is no part of what is built.
        RUSTFLAGS="--remap-path-prefix=$PWD=/weft --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
            CARGO_TARGET_DIR=/target scripts/build/static.sh default "$target"
        [ -n "${STATIC_COOK:-}" ] || { mkdir -p /out && cp "/target/static-default/$target/release/weft" /out/weft; }
        ;;
    *) echo "weft: docker-tools.sh: no step $1: use install or build" >&2; exit 2 ;;
esac
