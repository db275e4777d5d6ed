#!/usr/bin/env bash
# Measures one static binary for scripts/bench/gate.py: prints GROUP:METRIC=NUMBER lines, and first what the numbers depend on.
#
#   scripts/bench/measure.sh GROUP WEFT
#
# Bytes, and instructions of callgrind for fixed inputs (scripts/bench/fixed.py): they are the same on every repeat, however busy
# the machine is. They do depend on the compiler, and a little on what vectors the processor has: that is the first line. Memory and
# the time of `--version`, as a share of /bin/true in the same run, by scripts/bench/launch.c. Needs valgrind, python3 and musl-tools.
set -euo pipefail
cd "$(dirname "$0")/../.."
group=${1:?usage: measure.sh GROUP WEFT}
weft=$(realpath "${2:?usage: measure.sh GROUP WEFT}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nothing of whoever runs this: neither a home folder nor settings.
mkdir "$work/home" "$work/project"
run=(env -i "HOME=$work/home" PATH=/usr/bin:/bin LC_ALL=C)

vectors=$(grep -qw avx2 /proc/cpuinfo && echo ' with AVX2' || true)
echo "toolchain=$("${RUSTC:-rustc}" --version), $(uname -m)$vectors"
echo "$group:bytes=$(stat -c %s "$weft")"

count() {
    local metric=$1 codes=$2 status=0 number
    shift 2
    "${run[@]}" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$weft" "$@" >"$work/out" 2>"$work/err" || status=$?
    number=$(sed -n 's/.*Collected : //p' "$work/err" | tail -n 1)
    case " $codes " in
        *" $status "*) ;;
        *) printf 'weft: measure.sh: weft %s ended with %s:\n' "$*" "$status" >&2; tail -n 5 "$work/err" >&2; exit 2 ;;
    esac
    [ -n "$number" ] || { echo "weft: measure.sh: callgrind counted nothing for weft $*" >&2; exit 2; }
    echo "$group:$metric=$number"
}
launch=$PWD/scripts/bench/launch.c
python3 scripts/bench/fixed.py "$work"
cd "$work"
count version_instructions 0 --version
count skill_instructions "0 1" security scan --jobs 1 skill
count scan_instructions "0 1" security scan --jobs 1 tree
cd "$work/project"
count policy_instructions 0 policy check ../policy.toml

musl-gcc -O2 -static -o "$work/launch" "$launch"
read -r memory ratio < <("${run[@]}" "$work/launch" 200 "$weft" --version)
echo "$group:version_memory=$memory"
echo "$group:version_time=$ratio"
