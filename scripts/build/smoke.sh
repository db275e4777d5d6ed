#!/usr/bin/env bash
# Starts an image as an operator would and looks: it becomes healthy, answers, is nobody special, needs no writable root, and stops.
#
#   scripts/build/smoke.sh IMAGE
# DOCKER is respected (a path with options in it), so is SMOKE_STOP: how many milliseconds the end may take (default: 2000).
set -euo pipefail
image=${1:?usage: smoke.sh IMAGE}
read -r -a docker <<< "${DOCKER:-docker}"
name=weft-smoke-$$
# shellcheck disable=SC2329 # called by the trap
finish() { "${docker[@]}" rm --force --volumes "$name" >/dev/null 2>&1 || true; }
trap finish EXIT
fail() { echo "smoke: $*" >&2; "${docker[@]}" logs "$name" >&2 || true; exit 1; }

# The image's own check, but every second instead of twice a minute.
# shellcheck disable=SC2086 # several options
"${docker[@]}" run --detach --health-interval 1s --name "$name" --read-only --cap-drop ALL --security-opt no-new-privileges ${SMOKE_OPTIONS:-} "$image" >/dev/null
state=
for _ in $(seq 300); do
    state=$("${docker[@]}" inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$name")
    case $state in "running healthy") break ;; exited*) fail "it ended: $state" ;; esac
    sleep 0.2
done
[ "$state" = "running healthy" ] || fail "not healthy: $state"
user=$("${docker[@]}" inspect --format '{{.Config.User}}' "$name")
[ "$user" = 65532:65532 ] || fail "runs as $user"
"${docker[@]}" exec "$name" /usr/bin/weft --version
"${docker[@]}" exec "$name" /usr/bin/weft hub user add smoke --data /data || fail "the data folder cannot be written"
start=$(date +%s%N)
"${docker[@]}" stop --time 10 "$name" >/dev/null
took=$((($(date +%s%N) - start) / 1000000))
code=$("${docker[@]}" inspect --format '{{.State.ExitCode}}' "$name")
[ "$code" = 0 ] || fail "ended with $code on SIGTERM"
[ "$took" -lt "${SMOKE_STOP:-2000}" ] || fail "took $took ms to stop"
bytes=$("${docker[@]}" image inspect --format '{{.Size}}' "$image")
echo "smoke: $image: healthy, answers, runs as $user on a read-only root, stopped in $took ms; $bytes bytes"
