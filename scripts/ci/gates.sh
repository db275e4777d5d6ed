#!/usr/bin/env bash
# Builds the static flavours and holds them to baseline.json: bytes; instructions of `--version`, of scans, of a policy and of a plan;
# memory and time of `--version`. What was built is in target/dist.
#
#   scripts/ci/gates.sh [--write | --against COMMIT] [FLAVOUR...]      (default: default edge edge-offline; wasm when it is named)
#
# --write makes what is measured the baseline. --against builds COMMIT as well and compares with that: for machines whose compiler
# is another than the baseline's.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
write=() against=
while [ $# -gt 0 ]; do
    case $1 in
        --write) write=(--write); shift ;;
        --against) against=${2:?--against needs a commit}; shift 2 ;;
        -*) die "gates.sh: unknown option $1: use --write or --against COMMIT" ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- default edge edge-offline
need_packages git ca-certificates python3 valgrind
target=$(uname -m)-unknown-linux-musl
need_static_rust "$target" || { echo "SKIPPED: static builds and their gates: nothing here compiles for $target"; exit 0; }
built=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p target/dist

# Under which name a flavour is in baseline.json: `wasm` is the scanner's own module there (scripts/ci/wasm.sh).
group() {
    case $1 in wasm) echo default-wasm ;; *) echo "$1" ;; esac
}

options=()
if [ -n "$against" ] && ! against=$(git rev-parse --verify --quiet "$against^{commit}"); then
    echo "SKIPPED: the commit to compare with is not here"
fi
# Prints what the commit measures; where it cannot be built it says nothing.
measure_before() {
    local flavour
    for flavour in "$@"; do
        (cd "$before" && WEFT_COMMIT=$(printf '%.12s' "$against") CARGO_TARGET_DIR=$built/against scripts/build/static.sh "$flavour" "$target") >&2 || return 1
        scripts/bench/measure.sh "$(group "$flavour")" "$built/against/static-$flavour/$target/release/weft" || return 1
    done
}
if [ -n "$against" ]; then
    before=$(mktemp -d /var/tmp/weft-before.XXXXXX)
    trap 'rm -rf "$before"' EXIT
    git archive "$against" | tar -x -C "$before"
    if measure_before "$@" > target/against.txt; then
        options=(--reference target/against.txt)
    else
        echo "SKIPPED: $against could not be built or measured, so nothing is compared with it"
    fi
    # What the baseline said then: a change of it is a change that was meant.
    if [ -e "$before/baseline.json" ]; then
        python3 -c 'import json, sys
for group, metrics in json.load(open(sys.argv[1]))["metrics"].items():
    for metric, entry in metrics.items():
        print(group + ":" + metric + "@baseline=" + str(entry["value"]))' "$before/baseline.json" >> target/against.txt
    fi
fi

status=0
for flavour in "$@"; do
    step "$flavour" scripts/build/static.sh "$flavour" "$target"
    binary=$built/static-$flavour/$target/release/weft
    cp "$binary" "target/dist/weft-$flavour-$target"
    scripts/bench/measure.sh "$(group "$flavour")" "$binary" > target/measures.txt
    mapfile -t measures < target/measures.txt
    python3 scripts/bench/gate.py "${write[@]}" "${options[@]}" "${measures[@]}" || status=1
    # What is linked statically is not what the tests have run.
    if [ "$flavour" = wasm ]; then
        step "WASI in the static binary" scripts/ci/wasi-compare.sh "$binary"
    fi
done
# The plan of a sandbox is counted apart, in the tests' build, and against the baseline alone: another compiler's is not looked at.
step "plan" scripts/bench/plan.sh > target/measures.txt
mapfile -t measures < target/measures.txt
python3 scripts/bench/gate.py "${write[@]}" "${measures[@]}" || status=1
exit $status
