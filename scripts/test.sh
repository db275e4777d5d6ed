#!/usr/bin/env bash
# Installs what the tests need and runs all of them: format, lints, tests. Safe to run again.
# What it skips it says in a line that starts with "SKIPPED".
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh

need_packages gcc libc6-dev git ca-certificates curl python3 util-linux
# Clients that the test of the egress runs. Those with a server of their own (openssh-server, postgresql) would start one here: they
# are for whoever wants them, and skipped else.
need_packages iproute2 openssl wget openssh-client python3-pip nodejs npm golang-go default-jdk-headless
need_rust

step "format" cargo fmt --check
step "lints" cargo clippy --all-targets --locked --quiet -- -D warnings
step "tests" cargo test --locked --no-fail-fast
