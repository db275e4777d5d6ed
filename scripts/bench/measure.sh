#!/usr/bin/env bash
# Measures one static binary for scripts/bench/gate.py: prints GROUP:METRIC=NUMBER lines, and first what the numbers depend on.
#
#   scripts/bench/measure.sh GROUP WEFT
#
# Bytes, and instructions of callgrind for fixed inputs (scripts/bench/fixed.py): they are the same on every repeat, however busy
# the machine is (scripts/lib/count.sh). They do depend on the compiler, and a little on what vectors the processor has: that is the first
# line. Memory and the time of `--version`, as a share of /bin/true in the same run, by scripts/bench/launch.c. Needs valgrind, python3, gcc
# and musl-tools.
set -euo pipefail
cd "$(dirname "$0")/../.."
group=${1:?usage: measure.sh GROUP WEFT}
weft=$(realpath "${2:?usage: measure.sh GROUP WEFT}")
. scripts/lib/count.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/project"
count_in "$work"

echo "toolchain=$(count_depends)"
echo "$group:bytes=$(stat -c %s "$weft")"

count() {
    local metric=$1 codes=$2 place=$3 number
    shift 3
    number=$(counted "$codes" "$place" "$weft" "$@")
    echo "$group:$metric=$number"
}
launch=$PWD/scripts/bench/launch.c
python3 scripts/bench/fixed.py "$work"
count version_instructions 0 . --version
count skill_instructions "0 1" . security scan --jobs 1 skill
count scan_instructions "0 1" . security scan --jobs 1 tree
count policy_instructions 0 project policy check ../policy.toml

musl-gcc -O2 -static -o "$work/launch" "$launch"
read -r memory ratio < <(env -i "$work/launch" 200 "$weft" --version)
echo "$group:version_memory=$memory"
echo "$group:version_time=$ratio"
