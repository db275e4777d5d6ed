#!/usr/bin/env bash
# Installs what the tests need and runs all of them: format, lints, tests; then the static binary against baseline.json, the installer and
# the deployment with it. Safe to run again.
# What it skips it says in a line that starts with "SKIPPED".
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh

need_packages gcc libc6-dev git ca-certificates curl python3 util-linux
# Clients that the test of the egress runs. Those with a server of their own (openssh-server, postgresql) would start one here: they
# are for whoever wants them, and skipped else.
want "ip -V" iproute2
want "openssl version" openssl
want "wget --version" wget
want "ssh -V" openssh-client
want "/usr/bin/python3 -m pip --version" python3-pip
want "python3 -m ensurepip --version" python3-venv
# What tests/wasm compiles its programs with.
want "clang --version" clang
want "wasm-ld --version" lld
want "test -e /usr/lib/wasm32-wasi/libc.a" wasi-libc
want "test -e /usr/share/doc/libclang-rt-dev-wasm32" libclang-rt-dev-wasm32
want "node --version" nodejs
want "npm --version" npm
want "go version" golang-go
want "javac -version" default-jdk-headless
need_rust
if ! { command -v rustup >/dev/null && rustup target add wasm32-wasip1 >/dev/null 2>&1; }; then
    echo "SKIPPED: Rust programs of tests/wasm: rustup has no standard library for wasm32-wasip1 here"
fi

# The real clawhub program, which weft is tested beside: 0.23.3 brings the Node 22 it needs.
if command -v npm >/dev/null; then
    for set in "interop clawhub@0.20.0" "interop22 node@22 clawhub@0.23.3"; do
        # shellcheck disable=SC2086 # a folder and packages
        set -- $set
        folder=target/$1
        shift
        [ -e "$folder/node_modules/.bin/clawhub" ] || step "npm $*" npm install --no-audit --no-fund --loglevel=error --prefix "$folder" "$@" ||
            echo "SKIPPED: $* could not be fetched"
    done
else
    echo "SKIPPED: npm is missing; tests/skill_interop.rs needs it for the clawhub program"
fi

# The official MCP SDK, which weft mcp is tested between.
if [ ! -x target/mcp/bin/python ] || ! target/mcp/bin/python -c 'import mcp.server.mcpserver' 2>/dev/null; then
    step "the MCP SDK" bash -c 'python3 -m venv target/mcp && target/mcp/bin/pip install --quiet --only-binary :all: mcp==2.3.0' ||
        echo "SKIPPED: the MCP SDK could not be fetched; tests/mcp_sdk.rs needs it"
fi

# The same from npm.
if command -v npm >/dev/null; then
    [ -e target/mcp-js/node_modules/@modelcontextprotocol/sdk ] ||
        step "the MCP SDK from npm" npm install --no-audit --no-fund --loglevel=error --prefix target/mcp-js @modelcontextprotocol/sdk@1.32.2 ||
        echo "SKIPPED: the MCP SDK from npm could not be fetched; tests/mcp_sdk.rs needs it"
else
    echo "SKIPPED: npm is missing; tests/mcp_sdk.rs needs it for the SDK from npm"
fi

step "format" cargo fmt --check
step "lints" cargo clippy --all-targets --locked --quiet -- -D warnings
step "tests" cargo test --locked --no-fail-fast
# The feature that is not in `default`: its own tests, and those of what it touches.
step "lints, WebAssembly" cargo clippy --all-targets --locked --quiet --features wasm -- -D warnings
step "tests, WebAssembly" cargo test --locked --no-fail-fast --features wasm --lib --test wasm --test wasm_walls --test fuzz_wasm --test cli_skill
step "tests, HTTPS from WebAssembly" cargo test --locked --features wasm --test egress -- module
step "WASI beside wasmtime" scripts/ci/wasi-compare.sh
# The other processors: numbers of system calls and widths differ. Without the client, which has C in it.
for other in x86_64-unknown-linux-musl aarch64-unknown-linux-musl riscv64gc-unknown-linux-musl; do
    [ "${other%%-*}" != "$(uname -m)" ] || continue
    check=(cargo check --locked --quiet --bin weft --target "$other" --no-default-features --features "edge-offline wasm")
    if command -v rustup >/dev/null && rustup target add "$other" >/dev/null 2>&1; then
        step "another processor" "${check[@]}"
    else
        echo "SKIPPED: compiling for $other: rustup has no standard library for it here; scripts/build/static.sh edge-offline $other compiles one along"
    fi
done

# What is not Rust. The linters come from the Python index.
step "scripts, workflows, Dockerfile" scripts/ci/lint.sh
step "the gate" python3 scripts/bench/gate_test.py --quiet
step "the comparison" python3 scripts/bench/compare_test.py --quiet
# The flavour that holds everything: the small ones compile the standard library along, minutes each, and are the hosted workflow's.
step "size and instructions" scripts/ci/gates.sh default
echo "SKIPPED: the flavours edge and edge-offline: scripts/ci/gates.sh; building twice: scripts/build/reproducible.sh; images: scripts/docker-build-check.sh"
binary=target/dist/weft-default-$(uname -m)-unknown-linux-musl
if command -v chromium >/dev/null; then
    step "pages in a browser" scripts/hub-screenshots.sh target/debug/weft target/screenshots
else
    echo "SKIPPED: pictures of a hub's pages: chromium is missing"
fi
if [ ! -x "$binary" ]; then
    echo "SKIPPED: installer, WebAssembly module and deployment: no static binary was built"
else
    step "installer" scripts/release/install-test.sh "$binary"
    step "module" scripts/ci/wasm.sh "$binary"
    if [ "$(id -u)" = 0 ]; then
        step "deployment" scripts/deploy/test.sh "$binary"
    else
        echo "SKIPPED: the deployment: it needs root (sudo scripts/deploy/test.sh $binary)"
    fi
fi
