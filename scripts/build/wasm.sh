#!/usr/bin/env bash
# Builds the WebAssembly module: the scanner, the skill hash, and what can be said of policies, with no import. Puts it beside its
# JavaScript into target/wasm, and prints its size, raw and compressed.
#
#   scripts/build/wasm.sh
#
# Built for size, with a standard library compiled along (rust-src, RUSTC_BOOTSTRAP=1); wasm-opt (npm package binaryen) shrinks it
# where it can be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
target=wasm32-unknown-unknown
need_packages git ca-certificates
need_rust
if ! command -v rustup >/dev/null || ! rustup target add $target >/dev/null 2>&1 || ! rustup component add rust-src >/dev/null 2>&1; then
    # The distribution's Rust compiles all of it.
    need_packages rustc-web cargo-web rust-web-src lld
    export CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc PATH=/usr/bin:$PATH
fi
out=target/wasm
mkdir -p $out
RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_OPT_LEVEL=z "${CARGO:-cargo}" rustc --lib --crate-type cdylib --release --locked --target $target \
    --target-dir "${CARGO_TARGET_DIR:-target}/wasm-build" --no-default-features --features scan \
    -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
cp "${CARGO_TARGET_DIR:-target}/wasm-build/$target/release/weft.wasm" $out/weft.wasm
# What rustc writes by default and every engine since 2022 knows.
features=(--enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int --enable-multivalue --enable-reference-types)
if command -v npm >/dev/null && { [ -x target/binaryen/node_modules/.bin/wasm-opt ] ||
    npm install --no-audit --no-fund --loglevel=error --prefix target/binaryen binaryen@123 >&2; }; then
    target/binaryen/node_modules/.bin/wasm-opt -Oz "${features[@]}" $out/weft.wasm -o $out/weft.opt.wasm
    mv $out/weft.opt.wasm $out/weft.wasm
else
    echo "SKIPPED: wasm-opt: the npm package binaryen could not be fetched, so the module is larger than it need be"
fi
cp wasm/weft.mjs $out/
printf '%s %s bytes, %s compressed (gzip -9)\n' $out/weft.wasm "$(stat -c %s $out/weft.wasm)" "$(gzip -9 < $out/weft.wasm | wc -c)"
