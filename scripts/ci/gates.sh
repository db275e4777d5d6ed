#!/usr/bin/env bash
# Builds the static flavours and holds them to baseline.json: bytes, instructions and memory of `--version`. What was built is in
# target/dist.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
need_packages gcc libc6-dev musl-tools git ca-certificates python3 valgrind
need_rust
target=$(uname -m)-unknown-linux-musl
if command -v rustup >/dev/null; then
    rustup target add "$target" 2>/dev/null || say "rustup has no $target here: the standard library is compiled along"
    rustup component add rust-src 2>/dev/null || true
fi
mkdir -p target/dist
measures=()
[ $# -gt 0 ] || set -- default edge edge-offline
for flavour in "$@"; do
    step "$flavour" scripts/build/static.sh "$flavour" "$target"
    binary=${CARGO_TARGET_DIR:-target}/static-$flavour/$target/release/weft
    cp "$binary" "target/dist/weft-$flavour-$target"
    measures+=("$flavour:bytes=$(stat -c %s "$binary")")
    instructions=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" --version 2>&1 | sed -n 's/.*Collected : //p')
    memory=$(python3 -c 'import os, sys
pid = os.fork()
if pid == 0:
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    os.execv(sys.argv[1], [sys.argv[1], "--version"])
print(os.wait4(pid, 0)[2].ru_maxrss * 1024)' "$binary")
    measures+=("$flavour:version_instructions=$instructions" "$flavour:version_memory=$memory")
done
python3 scripts/bench/gate.py "${measures[@]}"
