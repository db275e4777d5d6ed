#!/usr/bin/env bash
# Counts the instructions of one plan of a sandbox, for scripts/bench/gate.py: from a fixed policy and what a fixed kernel offers to the plan,
# printed. Callgrind knows no Landlock, so `weft run --explain` under it has no plan to make; `cargo bench` has one that asks no
# kernel (benches/rooms/plan.rs). Built as the tests are, for they have all of it already: a count of this build alone, and of its C library.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/count.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rooms=$(cargo build --locked --quiet --bench rooms --message-format json | python3 -c 'import json, sys
for line in map(json.loads, sys.stdin):
    if line.get("executable") and line["target"]["name"] == "rooms":
        print(line["executable"])')
count_in "$work"
echo "toolchain=$(count_depends), $(getconf GNU_LIBC_VERSION)"
number=$(counted 0 home "$rooms" --plan)
echo "parts:plan_instructions=$number"
