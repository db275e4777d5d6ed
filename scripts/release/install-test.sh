#!/usr/bin/env bash
# Tries install.sh as a user would: without root, against a server on loopback. A good release is installed and replaced by the next, and by
# another flavour; a binary that is not what the list says, one that the list does not know, one that does not run, and a server without TLS are
# refused, and what was installed stays.
#
#   scripts/release/install-test.sh [WEFT]      (default: target/release/weft)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
weft=$(realpath "${1:-target/release/weft}")
[ -x "$weft" ] || die "$weft: not there: cargo build --release"
need_packages curl python3 util-linux ca-certificates
work=$(mktemp -d /var/tmp/weft-install.XXXXXX)
server=
# shellcheck disable=SC2329 # called by the trap
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"
cp scripts/install.sh "$work"
name=weft-$(uname -m)
release() {
    mkdir -p "$work/releases/$1"
    cat > "$work/releases/$1/$name"
    (cd "$work/releases/$1" && sha256sum "$name" > SHA256SUMS)
}
release v1.0.0 < "$weft"
# Another binary that is good: as the first, with something behind its end.
(cat "$weft"; echo) | release v1.1.0
release v1.2.0 < "$weft"
echo >> "$work/releases/v1.2.0/$name"
release v1.3.0 < "$weft"
sed -i "s/$name/$name-edge/" "$work/releases/v1.3.0/SHA256SUMS"
printf '#!/bin/sh\nexit 1\n' | release v1.4.0
cp -r "$work/releases/v1.1.0" "$work/releases/latest"
# A release that holds another flavour as well.
release v1.5.0 < "$weft"
(cat "$weft"; echo; echo) > "$work/releases/v1.5.0/$name-wasm"
(cd "$work/releases/v1.5.0" && sha256sum "$name"* > SHA256SUMS)

# The server says on which port it came up.
python3 -u -c 'import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()' "$work/releases" > "$work/port" 2>"$work/server.log" &
server=$!
for _ in $(seq 200); do [ -s "$work/port" ] && break; sleep 0.05; done
releases=http://127.0.0.1:$(cat "$work/port")

# As nobody where this runs as root, with a home of its own.
user=()
mkdir "$work/home"
if [ "$(id -u)" = 0 ]; then
    chown 65534:65534 "$work/home"
    user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
fi
to=$work/home/.local/bin/weft
install_it() { "${user[@]}" env -i "HOME=$work/home" PATH=/usr/bin:/bin "WEFT_RELEASES=${where:-$releases}" sh "$work/install.sh" "$@" >"$work/out" 2>&1; }
fail() { echo "FAILED: $*" >&2; cat "$work/out" >&2; exit 1; }
refused() {
    local what=$1 words=$2
    shift 2
    ! install_it "$@" || fail "$what was installed"
    grep -qF -- "$words" "$work/out" || fail "$what: it does not say '$words'"
    cmp -s "$to" "$work/releases/v1.1.0/$name" || fail "$what: what was installed did not stay"
    [ "$(ls -A "$(dirname "$to")")" = weft ] || fail "$what: something was left behind"
    echo "refused: $what"
}
install_it --version v1.0.0 || fail "v1.0.0"
cmp -s "$to" "$weft" || fail "v1.0.0 is another binary"
[ "$(stat -c %a "$to")" = 755 ] || fail "mode $(stat -c %a "$to")"
grep -q 'not on your PATH' "$work/out" || fail "it does not say that PATH lacks it"
echo "installed: v1.0.0"
install_it || fail "the newest"
cmp -s "$to" "$work/releases/v1.1.0/$name" || fail "the newest did not come"
echo "installed: the newest"
refused "a binary that is not what the list says" "the release says" --version v1.2.0
refused "a binary that the list does not know" "says nothing of" --version v1.3.0
refused "a binary that does not run" "does not run here" --version v1.4.0
refused "a release that is not there" "could not be fetched" --version v9.9.9
refused "a flavour that is not there" "no flavour" --flavour huge
install_it --version v1.5.0 --flavour wasm || fail "the flavour wasm"
cmp -s "$to" "$work/releases/v1.5.0/$name-wasm" || fail "the flavour wasm is another binary"
echo "installed: the flavour wasm"
install_it --version v1.1.0 || fail "v1.1.0 again"
where=http://example.org/releases refused "a server without TLS" "use https" --version v1.0.0
say "install.sh: good"
