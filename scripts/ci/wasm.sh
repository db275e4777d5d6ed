#!/usr/bin/env bash
# Builds the WebAssembly module, holds its size to baseline.json, and compares what it says with the program.
#
#   scripts/ci/wasm.sh WEFT
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
weft=${1:?usage: wasm.sh WEFT}
if ! node --version >/dev/null 2>&1 || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    echo "SKIPPED: the WebAssembly module: it is run by Node 20 or newer, which is not here"
    exit 0
fi
step "WebAssembly" scripts/build/wasm.sh
inputs=$(mktemp -d)
trap 'rm -rf "$inputs"' EXIT
python3 scripts/bench/fixed.py "$inputs"
step "the same as the program" node scripts/build/wasm-test.mjs "$weft" tests/fixtures/skills tests/fixtures/fuzz "$inputs/tree"
shrunk=$([ ! -x target/binaryen/node_modules/.bin/wasm-opt ] || echo ', wasm-opt')
python3 scripts/bench/gate.py "toolchain=$("${RUSTC:-rustc}" --version)$shrunk" \
    "wasm:bytes=$(stat -c %s target/wasm/weft.wasm)" "wasm:gzip=$(gzip -9 < target/wasm/weft.wasm | wc -c)"
