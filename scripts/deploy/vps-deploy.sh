#!/usr/bin/env bash
# Puts a weft hub on a fresh Debian or Ubuntu machine, and upgrades or removes it. Run on the machine itself, as root.
#
#   vps-deploy.sh --domain skills.example.org
#
# Run again with the same options it changes nothing; with another --version or --binary it upgrades, and goes back by itself when the
# new one does not become healthy. Data is never removed but by --uninstall --purge.
#
#   --domain NAME        what users type; Caddy is installed and does TLS. Without it the hub listens on loopback only
#   --mode binary|image  a systemd unit with the static binary (default), or Docker with compose
#   --binary FILE        this binary, instead of a release
#   --version vX.Y.Z     this release (default: the newest); WEFT_RELEASES says where releases are
#   --image NAME         the image for --mode image (default: weft:latest)
#   --data FOLDER        where skills are kept (default: /var/lib/weft-hub)
#   --port N             on loopback (default: 8080)
#   --admin NAME         the first user, an admin (default: admin); the token is printed once
#   --memory SIZE        at most this much memory (default: 512M)
#   --backup SCHEDULE    a backup of all of it, as a systemd calendar expression (such as daily), to FOLDER-backups; the last 7 stay
#   --uninstall          stop and remove the service; --purge removes the data as well
#   --dry-run            only say what would be done
set -euo pipefail

mode=binary binary='' version=latest image=weft:latest domain='' data=/var/lib/weft-hub port=8080 admin=admin memory=512M backup=''
uninstall='' purge='' dry=''
say() { printf 'weft-deploy: %s\n' "$*" >&2; }
die() { printf 'weft-deploy: %s\n' "$*" >&2; exit 2; }
need() { [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value: see --help"; }
while [ $# -gt 0 ]; do
    case $1 in
        --domain | --mode | --binary | --version | --image | --data | --port | --admin | --memory | --backup)
            need "$@"
            declare "${1#--}=$2"
            shift 2
            ;;
        --uninstall) uninstall=1; shift ;;
        --purge) purge=1; shift ;;
        --dry-run) dry=1; shift ;;
        --help | -h) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
        *) die "unknown option $1: see --help" ;;
    esac
done
case $mode in binary | image) ;; *) die "--mode $mode: use binary or image" ;; esac
[[ $port =~ ^[0-9]+$ && $port -ge 1 && $port -le 65535 ]] || die "--port $port: use a number from 1 to 65535"
[[ -z $domain || $domain =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]] || die "--domain $domain: not a host name"
[[ $admin =~ ^[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?$ ]] || die "--admin $admin: lower-case letters, digits, . _ - only"
[[ $data =~ ^/[A-Za-z0-9._/-]+$ && $data != / ]] || die "--data $data: an absolute path of plain characters"
[[ $memory =~ ^[0-9]+[KMG]?$ ]] || die "--memory $memory: a number with K, M or G"
[ "$(id -u)" = 0 ] || [ -n "$dry" ] || die "run it as root (sudo $0 …)"
[ -z "$purge" ] || [ -n "$uninstall" ] || die "--purge goes with --uninstall"

here=$(cd "$(dirname "$0")" && pwd)
unit=/etc/systemd/system/weft-hub.service
config=/etc/weft-hub/hub.toml
installed=/usr/local/lib/weft-hub/weft
run() {
    if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi
}
# The content on stdin becomes the file, if it is another; says whether.
changed=''
put() {
    local file=$1 mode=$2 new
    new=$(cat; printf x)
    if [ -e "$file" ] && [ "$(cat "$file"; printf x)" = "$new" ]; then return 0; fi
    changed=1
    if [ -n "$dry" ]; then say "would write $file"; return 0; fi
    mkdir -p "$(dirname "$file")"
    printf '%s' "${new%x}" > "$file.new"
    chmod "$mode" "$file.new"
    mv "$file.new" "$file"
    say "wrote $file"
}
packages() {
    local missing=() package
    for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    run apt-get update -qq
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
healthy() {
    local try
    [ -z "$dry" ] || return 0
    for try in $(seq 30); do
        "$installed" health "http://127.0.0.1:$port" >/dev/null 2>&1 && return 0
        sleep "$([ "$try" -lt 10 ] && echo 0.3 || echo 1)"
    done
    return 1
}

if [ -n "$uninstall" ]; then
    for name in weft-hub-backup.timer weft-hub.service; do
        if [ -e "/etc/systemd/system/$name" ]; then run systemctl disable --now "$name"; fi
    done
    if [ -e "/etc/weft-hub/docker-compose.yml" ]; then
        compose=(docker compose)
        docker compose version >/dev/null 2>&1 || compose=(docker-compose)
        volumes=()
        [ -z "$purge" ] || volumes=(--volumes)
        (cd /etc/weft-hub && run "${compose[@]}" --project-name weft-hub --file "/etc/weft-hub/docker-compose.yml" down "${volumes[@]}")
    fi
    run rm -f "$unit" "/etc/systemd/system/weft-hub-backup.service" "/etc/systemd/system/weft-hub-backup.timer" \
        "/etc/caddy/conf.d/weft-hub.caddy"
    run rm -rf "/usr/local/lib/weft-hub" "/usr/local/bin/weft" "/etc/weft-hub"
    run systemctl daemon-reload
    if [ -n "$purge" ]; then
        run rm -rf "$data"
        say "removed, with its data"
        if [ -d "$data-backups" ]; then say "the backups are still in $data-backups"; fi
    else
        say "removed; the data is still in $data (--purge removes it)"
    fi
    exit 0
fi

packages ca-certificates curl
if [ "$mode" = image ]; then
    [ -n "$domain" ] || die "--mode image needs --domain: the compose file has Caddy in it"
    command -v docker >/dev/null || packages docker.io
    # Its second version is a part of docker, in a package whose name differs; Debian 12 has the first, a program of its own.
    if ! docker compose version >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then
        name=docker-compose
        if apt-cache show docker-compose-v2 >/dev/null 2>&1; then name=docker-compose-v2; fi
        packages "$name"
    fi
    compose=(docker compose)
    if [ -z "$dry" ] && ! docker compose version >/dev/null 2>&1; then compose=(docker-compose); fi
    compose+=(--project-name weft-hub --file "/etc/weft-hub/docker-compose.yml")
    run mkdir -p "/etc/weft-hub"
    put "/etc/weft-hub/docker-compose.yml" 644 < "$here/docker-compose.yml"
    put "/etc/weft-hub/Caddyfile" 644 < "$here/Caddyfile"
    put "/etc/weft-hub/.env" 600 <<< "WEFT_DOMAIN=$domain
WEFT_IMAGE=$image"
    cd /etc/weft-hub 2>/dev/null || [ -n "$dry" ]
    # An image that was only built here is in no registry.
    run "${compose[@]}" pull --quiet --ignore-pull-failures
    run "${compose[@]}" up --detach
    in_hub() { "${compose[@]}" exec -T hub weft "$@"; }
    if [ -z "$dry" ]; then
        for try in $(seq 60); do
            if in_hub health >/dev/null 2>&1; then break; fi
            [ "$try" -lt 60 ] || die "it does not become healthy: ${compose[*]} logs hub"
            sleep 1
        done
        if ! in_hub hub user list --data /data --format json | grep -q "\"$admin\""; then
            in_hub hub user add "$admin" --role admin --data /data
            say "the token of $admin, shown only now:"
            in_hub hub token add "$admin" --data /data
        fi
    fi
    say "https://$domain"
    exit 0
fi

# The binary: given, or of a release. The one before stays beside it until the new one has shown that it runs.
new=$installed.new
if [ -n "$binary" ]; then
    [ -x "$binary" ] || die "--binary $binary: not there or not a program"
    run mkdir -p "$(dirname "$new")"
    run install -m 755 "$binary" "$new"
elif [ "$version" != latest ] || [ ! -x "$installed" ]; then
    run mkdir -p "$(dirname "$new")"
    run sh "$here/../install.sh" --version "$version" --to "$(dirname "$new")/fetched"
    run mv "$(dirname "$new")/fetched/weft" "$new"
    run rmdir "$(dirname "$new")/fetched"
fi
upgraded=''
if [ -e "$new" ]; then
    if [ -e "$installed" ] && cmp -s "$new" "$installed"; then
        rm -f "$new"
    else
        if [ -e "$installed" ]; then run cp -p "$installed" "$installed.before"; fi
        run mv "$new" "$installed"
        upgraded=1
    fi
fi
run mkdir -p "/usr/local/bin"
run ln -sfn "$installed" "/usr/local/bin/weft"

if ! getent passwd weft-hub >/dev/null; then
    run useradd --system --home-dir "$data" --no-create-home --shell /usr/sbin/nologin weft-hub
fi
first=''
if [ ! -e "$data/log" ]; then
    first=1
    run mkdir -p "$data"
    run chown weft-hub:weft-hub "$data"
    run chmod 700 "$data"
fi
# As the service's user, so that everything in there is its own.
hub() {
    run runuser -u weft-hub -- "$installed" hub "$@" --data "$data"
}
url=http://127.0.0.1:$port
[ -z "$domain" ] || url=https://$domain
put "$config" 644 <<< "# Written by vps-deploy.sh. \`systemctl reload weft-hub\` takes a change in.
public_url = \"$url\"
trusted_proxies = [\"127.0.0.1\", \"::1\"]"
sed -e "s|@BINARY@|$installed|; s|@DATA@|$data|g; s|@PORT@|$port|; s|@CONFIG@|$config|; s|@MEMORY@|$memory|" "$here/weft-hub.service" | put "$unit" 644
if [ -n "$first" ]; then hub init; fi

if [ -n "$backup" ]; then
    put "/etc/systemd/system/weft-hub-backup.service" 644 <<< "[Unit]
Description=Backup of the weft hub

[Service]
Type=oneshot
User=weft-hub
UMask=0077
ProtectSystem=strict
ReadWritePaths=$data $data-backups
ProtectHome=true
PrivateTmp=true
NoNewPrivileges=true
ExecStart=/bin/sh -c '$installed hub backup --data $data $data-backups/\$\$(date +%%Y%%m%%dT%%H%%M%%SZ -u).tar && ls -1 $data-backups/*.tar | head -n -7 | xargs -r rm --'"
    put "/etc/systemd/system/weft-hub-backup.timer" 644 <<< "[Unit]
Description=Backup of the weft hub

[Timer]
OnCalendar=$backup
Persistent=true
RandomizedDelaySec=15min

[Install]
WantedBy=timers.target"
    run mkdir -p "$data-backups"
    run chown weft-hub:weft-hub "$data-backups"
    run chmod 700 "$data-backups"
fi

if [ -n "$domain" ]; then
    packages caddy
    put "/etc/caddy/conf.d/weft-hub.caddy" 644 < <(sed "s|{\$WEFT_DOMAIN}|$domain|; s|{\$WEFT_UPSTREAM}|127.0.0.1:$port|" "$here/Caddyfile")
    main=/etc/caddy/Caddyfile
    if ! grep -qs 'import /etc/caddy/conf.d/' "$main"; then
        { cat "$main" 2>/dev/null || true; echo 'import /etc/caddy/conf.d/*.caddy'; } | put "$main" 644
    fi
fi

if [ -n "$changed" ] || [ -n "$upgraded" ]; then run systemctl daemon-reload; fi
run systemctl enable --now weft-hub.service
if [ -n "$changed$upgraded" ] && [ -z "$first" ]; then run systemctl restart weft-hub.service; fi
if [ -n "$backup" ]; then run systemctl enable --now weft-hub-backup.timer; fi
if [ -n "$domain" ]; then run systemctl reload-or-restart caddy; fi

if ! healthy; then
    if [ -e "$installed.before" ] && [ -n "$upgraded" ]; then
        say "the new one does not become healthy: going back to the one before"
        mv "$installed.before" "$installed"
        systemctl restart weft-hub.service
        healthy || die "the one before does not either: journalctl -u weft-hub"
        exit 1
    fi
    die "it does not become healthy: journalctl -u weft-hub"
fi
run rm -f "$installed.before"
if [ -z "$dry" ] && ! hub user list --format json | grep -q "\"$admin\""; then
    hub user add "$admin" --role admin
    say "the token of $admin, shown only now:"
    hub token add "$admin"
fi
say "$url"
