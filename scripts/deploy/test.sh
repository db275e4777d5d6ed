#!/usr/bin/env bash
# Tries vps-deploy.sh as an operator would: on a Debian of its own (a tree made by mmdebstrap, in namespaces of its own), with a stand-in
# for systemctl that starts what the unit says, as the user it says. Installs, again (nothing changes), upgrades, goes back from one that
# does not start, removes, and removes the data. Image mode is tried with a stand-in for docker that writes down what it was asked. The
# unit is looked at by systemd-analyze. Needs root.
#
#   scripts/deploy/test.sh [WEFT]      (default: target/release/weft)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
[ "$(id -u)" = 0 ] || die "needs root: it makes a Debian in a folder"
weft=${1:-target/release/weft}
[ -x "$weft" ] || die "$weft: not there: cargo build --release"
need_packages mmdebstrap debian-archive-keyring iproute2 util-linux systemd

unit=$(mktemp -d)
sed -e 's|@BINARY@|/bin/true|; s|@DATA@|/var/lib/weft-hub|g; s|@PORT@|8080|; s|@CONFIG@|/etc/weft-hub/hub.toml|; s|@MEMORY@|512M|' \
    scripts/deploy/weft-hub.service > "$unit/weft-hub.service"
systemd-analyze verify "$unit/weft-hub.service" || die "the unit has a mistake"
# At most 2.0 of 10.
systemd-analyze security --no-pager --offline=true --threshold=20 "$unit/weft-hub.service" | tail -n 1 || die "the unit is more exposed than 2.0"
rm -r "$unit"

tree=$PWD/target/deploy-tree
if [ ! -e "$tree.done" ]; then
    rm -rf --one-file-system "$tree"
    step "a Debian" mmdebstrap --quiet --variant=minbase --include=ca-certificates,curl,iproute2,procps bookworm "$tree"
    touch "$tree.done"
fi
work=$(mktemp -d /var/tmp/weft-deploy.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
cp -a "$tree" "$work/root"
mkdir -p "$work/root/src/deploy"
cat > "$work/root/src/docker" <<'END'
#!/bin/bash
# A stand-in: writes down what it was asked, and has a hub with one user in it as soon as that was added.
echo "docker $*" >> /docker.log
case "$*" in
    *" user list "*) [ -e /docker.user ] && echo '[{"name": "alice"}]' || echo '[]' ;;
    *" user add alice "*) touch /docker.user ;;
    *" token add alice "*) echo clh_made_up ;;
esac
END
chmod 755 "$work/root/src/docker"
cp scripts/deploy/{vps-deploy.sh,weft-hub.service,Caddyfile,docker-compose.yml} "$work/root/src/deploy"
cp scripts/install.sh "$work/root/src"
install -m 755 "$weft" "$work/root/src/weft"
cat > "$work/root/usr/bin/systemctl" <<'END'
#!/bin/bash
# A stand-in: starts and stops the one service, and writes down what it was asked.
echo "systemctl $*" >> /systemctl.log
unit=/etc/systemd/system/weft-hub.service
stop() { [ ! -e /run/hub.pid ] || { kill "$(cat /run/hub.pid)" 2>/dev/null; while kill -0 "$(cat /run/hub.pid)" 2>/dev/null; do sleep 0.05; done; rm -f /run/hub.pid; }; }
start() {
    [ ! -e /run/hub.pid ] || ! kill -0 "$(cat /run/hub.pid)" 2>/dev/null || return 0
    read -r -a command <<< "$(sed -n 's/^ExecStart=//p' $unit)"
    setsid setpriv --reuid weft-hub --regid weft-hub --clear-groups --no-new-privs --bounding-set -all "${command[@]}" >> /hub.log 2>&1 < /dev/null &
    echo $! > /run/hub.pid
}
case "$*" in
    "enable --now weft-hub.service") start ;;
    "restart weft-hub.service") stop; start ;;
    "disable --now weft-hub.service") stop ;;
esac
END
chmod 755 "$work/root/usr/bin/systemctl"
cat > "$work/root/test" <<'END'
set -euo pipefail
export LC_ALL=C.UTF-8
fail() { echo "FAILED: $*" >&2; cat /hub.log /out >&2; exit 1; }
deploy() { bash /src/deploy/vps-deploy.sh "$@" > /out 2>&1; }
ip link set lo up
mount -t proc proc /proc
deploy --binary /src/weft --dry-run || fail "a dry run"
[ ! -e /etc/weft-hub ] && [ ! -e /usr/local/lib/weft-hub ] || fail "a dry run changed something"
deploy --binary /src/weft --admin alice --backup daily || fail "the first time"
grep -q clh_ /out || fail "no token"
[ "$(grep -c clh_ /out)" = 1 ] || fail "the token is shown more than once"
weft health http://127.0.0.1:8080 || fail "not healthy"
[ "$(stat -c %U:%a /var/lib/weft-hub)" = weft-hub:700 ] || fail "the data is open: $(stat -c %U:%a /var/lib/weft-hub)"
ps -o user= -p "$(cat /run/hub.pid)" | grep -q weft-hub || fail "runs as another user"
echo "installed"
before=$(cd /; find etc/weft-hub etc/systemd/system usr/local -type f -printf '%p %i %T@\n' | sort)
: > /systemctl.log
deploy --binary /src/weft --admin alice --backup daily || fail "the second time"
[ "$before" = "$(cd /; find etc/weft-hub etc/systemd/system usr/local -type f -printf '%p %i %T@\n' | sort)" ] || fail "the second time changed files"
! grep -q restart /systemctl.log || fail "the second time restarted it"
! grep -q clh_ /out || fail "a second token"
echo "again: nothing changed"
# Another binary that is good: as the first, with something behind its end.
cp /src/weft /src/newer && echo >> /src/newer
deploy --binary /src/newer --admin alice --backup daily || fail "the upgrade"
cmp -s /src/newer /usr/local/lib/weft-hub/weft || fail "the upgrade did not come"
runuser -u weft-hub -- weft hub user list --data /var/lib/weft-hub | grep -q alice || fail "the upgrade lost a user"
echo "upgraded"
printf '#!/bin/sh\nexit 1\n' > /src/broken && chmod 755 /src/broken
! deploy --binary /src/broken --admin alice --backup daily || fail "a broken one was taken"
cmp -s /src/newer /usr/local/lib/weft-hub/weft || fail "it did not go back"
weft health http://127.0.0.1:8080 || fail "not healthy after going back"
echo "went back"
runuser -u weft-hub -- sh -c "$(sed -n "s/^ExecStart=\/bin\/sh -c '\(.*\)'$/\1/p" /etc/systemd/system/weft-hub-backup.service | sed 's/\$\$/$/g; s/%%/%/g')" || fail "the backup"
ls /var/lib/weft-hub-backups/*.tar >/dev/null || fail "no backup"
weft hub restore /var/lib/weft-hub-backups/*.tar --data /restored || fail "the backup does not restore"
weft hub verify --data /restored || fail "what was restored is not whole"
echo "backed up and restored"
deploy --uninstall || fail "the removal"
[ -e /var/lib/weft-hub/log ] && [ ! -e /usr/local/bin/weft ] && [ ! -e /etc/weft-hub ] || fail "removed too much or too little"
! kill -0 "$(cat /run/hub.pid 2>/dev/null || echo 999999)" 2>/dev/null || fail "it still runs"
deploy --uninstall --purge || fail "the purge"
[ ! -e /var/lib/weft-hub ] || fail "the data is still there"
echo "removed"
cp /src/docker /usr/local/bin/docker
deploy --mode image --domain hub.example --image weft:1.0 --admin alice || fail "image mode"
[ "$(stat -c %a /etc/weft-hub/.env)" = 600 ] && grep -qx WEFT_IMAGE=weft:1.0 /etc/weft-hub/.env || fail "the settings of image mode"
grep -q 'up --detach' /docker.log || fail "image mode started nothing"
[ "$(grep -c clh_ /out)" = 1 ] || fail "the token of image mode"
deploy --mode image --domain hub.example --image weft:1.1 --admin alice || fail "image mode again"
! grep -q clh_ /out || fail "a second token in image mode"
grep -qx WEFT_IMAGE=weft:1.1 /etc/weft-hub/.env || fail "another image was not taken"
! deploy --mode image --admin alice || fail "image mode without a domain"
deploy --uninstall || fail "the removal of image mode"
grep -q ' down$' /docker.log && [ ! -e /etc/weft-hub ] || fail "image mode stays"
echo "image mode: asked docker for the right things"
END
unshare --mount --pid --fork --net --kill-child chroot "$work/root" /bin/bash /test
say "vps-deploy: good"
