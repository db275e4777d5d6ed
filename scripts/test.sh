#!/usr/bin/env bash
# Installs what the tests need and runs all of them: format, lints, tests. Safe to run again.
# What it skips it says in a line that starts with "SKIPPED".
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh

need_packages gcc libc6-dev git ca-certificates curl python3 util-linux
need_rust

step "format" cargo fmt --check
step "lints" cargo clippy --all-targets --locked --quiet -- -D warnings
step "tests" cargo test --locked --no-fail-fast
