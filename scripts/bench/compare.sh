#!/usr/bin/env bash
# Measures weft beside its peers, in turns within one run, and holds what it measured to baseline.json: exits 1 where a number grew by
# more than its noise. Writes bench-comparison.json (machine, versions, every sample), results.md and charts into a folder.
#
#   scripts/bench/compare.sh [--quick] [--only GROUP,...] [--out FOLDER] [--before WEFT] [--write] [WEFT] [PEER...]
#
#   WEFT            the static binary (default: built now, scripts/build/static.sh default)
#   PEER            only these peers (default: all that are there; scripts/bench/peers.sh installs what can be had)
#   --quick         fewer rounds, 10,000 files at most and no benches: for small machines and pull requests, some minutes
#   --only          of start, run, scan, egress, install, hub, benches
#   --out           default: target/bench, with --write docs/benchmarks
#   --before WEFT   an earlier binary, measured in turns with this one: growth is then against it. Its baseline.json, if that was
#                   another: BEFORE_BASELINE=FILE
#   --write         make what was measured the baseline
#
# A whole run takes up to twelve minutes on two cores, and wants them for itself. Whatever cannot be measured is said in a line that starts
# with SKIPPED. Exits with 2 when a measurement failed. What the numbers mean: docs/benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh

quick=() only=start,run,scan,egress,install,hub,benches chosen=no out='' write=() weft='' before=''
while [ $# -gt 0 ]; do
    case $1 in
        --quick) quick=(--quick); shift ;;
        --only) only=${2:?--only needs groups}; chosen=yes; shift 2 ;;
        --out) out=${2:?--out needs a folder}; shift 2 ;;
        --before) before=$(realpath "${2:?--before needs a binary}"); shift 2 ;;
        --write) write=(--write); shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        -*) die "compare.sh: unknown option $1: see compare.sh --help" ;;
        *) break ;;
    esac
done
for group in ${only//,/ }; do
    case $group in start | run | scan | egress | install | hub | benches) ;; *) die "compare.sh: no group $group: use start, run, scan, egress, install, hub or benches" ;; esac
done
# A bare name is a peer unless it is a file.
if [ $# -gt 0 ] && [ -f "$1" ]; then weft=$(realpath "$1"); shift; fi
for peer in "$@"; do
    case $peer in
        bwrap | firejail | srt | codex | nono | sandlock | landrun | island | rg | gitleaks | betterleaks | cisco-ai-skill-scanner | skillscan-security | skillspector | clawhub) ;;
        *) die "compare.sh: $peer: neither a file nor a peer: scripts/bench/peers.sh names them" ;;
    esac
done
if [ $# -gt 0 ]; then export PEERS="$*"; fi
if [ -z "$out" ]; then if [ ${#write[@]} -gt 0 ]; then out=docs/benchmarks; else out=target/bench; fi; fi
for program in python3 git; do command -v "$program" >/dev/null || die "compare.sh: $program is missing: install it"; done

if [ -z "$weft" ]; then
    target=$(uname -m)-unknown-linux-musl
    need_static_rust "$target" || die "compare.sh: nothing here compiles for $target: name a binary"
    step build scripts/build/static.sh default "$target"
    weft=${CARGO_TARGET_DIR:-$PWD/target}/static-default/$target/release/weft
fi
"$weft" --version >/dev/null || die "compare.sh: $weft does not run"
[ -z "$before" ] || export WEFT_BEFORE=$before
PATH=$(realpath -m "${PEERS_FOLDER:-target/peers}")/bin:$PATH
work=$(mktemp -d /var/tmp/weft-compare.XXXXXX)
trap 'rm -rf "$work"' EXIT
export SAMPLES=$work/samples.jsonl
: >"$SAMPLES"
load=$(cut -d' ' -f1-3 /proc/loadavg)
failed=0 began=$SECONDS

skip() {
    echo "SKIPPED: $1: $2"
    python3 -c 'import json, sys; print(json.dumps({"skipped": sys.argv[1], "why": sys.argv[2]}))' "$1" "$2" >>"$SAMPLES"
}
# Runs a measurement, if its group is wanted and what it needs is there.
measure() {
    local group=$1 needs=$2 program
    shift 2
    case ,$only, in *,"$group",*) ;; *) return 0 ;; esac
    for program in $needs; do
        command -v "$program" >/dev/null || { skip "$group" "$program is missing: scripts/bench/peers.sh"; return 0; }
    done
    say "$group: $*"
    "$@" || { echo "FAILED: $group: $*" >&2; failed=1; }
}
# shellcheck disable=SC2329 # measure runs it
benches() {
    # Built first, so that building is not what the machine is busy with.
    cargo bench --locked --quiet --bench rooms --no-run
    local number
    for number in 1 2 3; do
        BRUNCH_HISTORY=$work/history.$number cargo bench --locked --quiet --bench rooms 2>"$work/benches.txt" || { cat "$work/benches.txt" >&2; return 1; }
    done
}

if [ ${#quick[@]} -gt 0 ]; then
    runs=30 pairs=40 files=10000 rounds=3 transfers=3 starts=30 installs=10 seconds=1
    [ $chosen = yes ] || only=${only%,benches}
else
    runs=60 pairs=200 files=100000 rounds=5 transfers=9 starts=100 installs=40 seconds=4
fi
measure start "hyperfine strip /usr/bin/time" scripts/bench/start.sh "$weft" $runs
measure run "bwrap git" scripts/bench/run.sh "$weft" $pairs
measure scan "" scripts/bench/scan.sh "$weft" $files $rounds
if [ "$(id -u)" = 0 ]; then
    measure egress "unshare ip" scripts/bench/egress.sh "$weft" $transfers $starts
else
    skip egress "it needs root, for network namespaces"
fi
measure install "curl unzip" scripts/bench/install.sh "$weft" $installs
measure hub "nginx wrk" scripts/bench/hub.sh "$weft" $seconds
measure benches cargo benches
[ ${#quick[@]} -eq 0 ] || [ $chosen = yes ] || skip benches "a quick run leaves them out"

scripts/bench/peers.sh --list >"$work/versions" 2>/dev/null || true
history=()
[ ! -s "$work/history.3" ] || history=(--history "$work"/history.[123])
status=0
python3 scripts/bench/compare.py --samples "$SAMPLES" --weft "$weft" --out "$out" --versions "$work/versions" --load "$load" \
    ${BEFORE_BASELINE:+--before-baseline "$BEFORE_BASELINE"} "${history[@]}" "${quick[@]}" "${write[@]}" || status=$?
say "$out/results.md, bench-comparison.json and charts; $((SECONDS - began)) seconds"
[ $failed = 0 ] || exit 2
exit $status
