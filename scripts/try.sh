#!/usr/bin/env bash
# Shows what weft does: installs what is missing, builds it, and scans the sample skills that come with it.
# Safe to run again; everything it builds stays in target/.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh

need_packages gcc libc6-dev git ca-certificates
need_rust
step "build" cargo build --release --locked

weft=${CARGO_TARGET_DIR:-target}/release/weft
"$weft" --version
say "scan: $weft security scan tests/fixtures/skills"
# Exit code 1 means findings, which is what the samples are there for.
status=0
"$weft" security scan tests/fixtures/skills || status=$?
[ "$status" = 1 ] || die "the sample scan ended with $status instead of 1 (findings)"

say "two of the four sample skills are malicious and were found; the other two are not."
say "scan your own:      $weft security scan ~/.openclaw/skills"
say "what a finding means: $weft security explain US-001"
