#!/usr/bin/env bash
# Shows what weft does: installs what is missing, builds it, scans the sample skills that come with it, and runs a command where
# it cannot get out.
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
# A sample that reads its own folder and would like to read more.
sample=$PWD/tests/fixtures/run/sample.sh
workspace=$(mktemp -d)
trap 'rm -rf "$workspace"' EXIT
cp "$sample" "$workspace"
echo "a line of your project" > "$workspace/notes.txt"
say "run: $weft run --policy skill --workspace $workspace -- sh sample.sh"
if "$weft" run --policy skill --workspace "$workspace" -- sh sample.sh; then
    say "what holds a policy, line by line: $weft run --policy skill --explain"
    say "an attack on it from inside:       $weft doctor --policy skill"
else
    status=$?
    [ "$status" = 2 ] || die "the sample ended with $status in the sandbox"
    say "this machine does not let weft build a sandbox (see the line above); $weft doctor says what is missing."
fi

say "scan your own:      $weft security scan ~/.openclaw/skills"
say "what a finding means: $weft security explain US-001"
