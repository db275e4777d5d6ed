#!/usr/bin/env bash
# Runs weft and its escape attempts inside a real container, under the seccomp filter that Docker puts around one by default.
# It starts a Docker daemon of its own in a temporary folder and ends it; no other daemon, image or network is touched. Needs root.
# The image is Debian's smallest with the programs that the attempts use, made by mmdebstrap: no registry is asked.
#
#   scripts/docker-check.sh            as root and as a plain user inside
#   scripts/docker-check.sh WORD...    only attempts with these words in their names
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh

[ "$(id -u)" = 0 ] || { echo "docker-check: needs root: it starts a Docker daemon of its own" >&2; exit 2; }
need_packages docker.io iptables mmdebstrap python3
need_rust
# Another client may come first on PATH; this one belongs to the daemon.
docker=/usr/bin/docker

work=$(mktemp -d /var/tmp/weft-docker.XXXXXX)
daemon=
# shellcheck disable=SC2329 # called by the trap
finish() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work"
}
trap finish EXIT

cargo build --locked --quiet --bin weft
attempts=$(cargo test --locked --no-run --test escape --message-format json 2>/dev/null \
    | python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "escape":
        print(message["executable"])')

mkdir "$work/root" "$work/exec"
dockerd --data-root "$work/root" --exec-root "$work/exec" -H "unix://$work/s" --pidfile "$work/pid" \
    --iptables=false --ip6tables=false --bridge=none --storage-driver=overlay2 >"$work/log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
    "$docker" -H "unix://$work/s" version >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || { tail -n 20 "$work/log" >&2; exit 3; }
    sleep 0.2
done

echo "image ..."
mmdebstrap --quiet --variant=minbase --include=python3,git,gcc,libc6-dev,procps,util-linux,iproute2,busybox,perl \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/image.tar" 2>"$work/image.log" \
    || { tail -n 20 "$work/image.log" >&2; exit 3; }
"$docker" -H "unix://$work/s" import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    "$work/image.tar" weft-check >/dev/null
rm "$work/image.tar"

# The source folder keeps its name inside: the attempts know where their scripts are.
inside() {
    "$docker" -H "unix://$work/s" run --rm --network none --tmpfs /var/tmp:exec -v "$PWD:$PWD:ro" -w /var/tmp --env HOME=/var/tmp/home "$@"
}
weft="$PWD/target/debug/weft"
status=0
echo "== $("$docker" -H "unix://$work/s" version --format 'Docker {{.Server.Version}}, kernel {{.Server.KernelVersion}}'), its default seccomp filter"
for user in 0:0 65532:65532; do
    echo "== user ${user%:*}"
    inside --user "$user" weft-check bash -c "
        mkdir home work && cd work || exit 1
        set -o pipefail
        printf '$ weft run --explain --policy coding-agent\n'
        '$weft' run --explain --policy coding-agent | head -n 9
        printf '$ weft run --policy python-tool -- python3 -c ...\n'
        '$weft' run --policy python-tool -- python3 -c 'print(6 * 7)' || exit 1
        printf '$ weft doctor --policy readonly\n'
        '$weft' doctor --policy readonly | sed '/^line by line/,/^attacks/ { /^attacks/!d }'" || status=1
    inside --user "$user" weft-check "$attempts" "$@" || status=1
done
exit "$status"
