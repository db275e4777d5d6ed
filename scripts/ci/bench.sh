#!/usr/bin/env bash
# Measures the static binary in turns with that of the commit before (scripts/bench/compare.sh --quick), and leaves in target/bench what
# scripts/ci/bench-comment.sh says on the pull request. Exits 1 where something grew by more than its noise.
#
#   scripts/ci/bench.sh [COMMIT] [NUMBER OF THE PULL REQUEST]
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
against=${1:-} number=${2:-}
need_packages git ca-certificates python3 binutils
target=$(uname -m)-unknown-linux-musl
need_static_rust "$target" || { echo "SKIPPED: benchmarks: nothing here compiles for $target"; exit 0; }
scripts/bench/peers.sh tools bwrap rg nginx
built=${CARGO_TARGET_DIR:-$PWD/target}

options=()
if [ -n "$against" ] && against=$(git rev-parse --verify --quiet "$against^{commit}"); then
    before=$(mktemp -d /var/tmp/weft-before.XXXXXX)
    trap 'rm -rf "$before"' EXIT
    git archive "$against" | tar -x -C "$before"
    # The source that stands there, not this one's name: the version says the commit.
    if (cd "$before" && WEFT_COMMIT=$(printf '%.12s' "$against") CARGO_TARGET_DIR=$built/against scripts/build/static.sh default "$target") >&2; then
        options=(--before "$built/against/static-default/$target/release/weft")
        [ ! -e "$before/baseline.json" ] || export BEFORE_BASELINE=$before/baseline.json
    else
        echo "SKIPPED: $against could not be built, so nothing is compared with it"
    fi
else
    echo "SKIPPED: there is no commit to compare with"
fi
rm -rf target/bench
mkdir -p target/bench
status=0
scripts/bench/compare.sh --quick "${options[@]}" | tee target/bench/said.txt || status=$?
# For the comment: what the gate said, a metric a line, and what was not measured.
grep -E '^(compare|default|benches) |^(SKIPPED|FAILED|ABOVE AIM):' target/bench/said.txt >target/bench/comment.txt || true
printf '%s\n' "$number" >target/bench/number.txt
exit $status
