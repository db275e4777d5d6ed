#!/bin/sh
# Installs the static weft binary of a release: fetched, its SHA-256 compared with the release's list, put in place in one step.
# Needs no root: it goes to ~/.local/bin unless told otherwise. What is there stays until the new one has been checked.
#
#   scripts/install.sh [--version vX.Y.Z] [--flavour default|wasm|edge|edge-offline] [--to FOLDER]
#
# WEFT_RELEASES is where releases are (https://…/releases/download); required until weft has a home that everybody knows.
# The list of checksums comes from the same place as the binary: it finds broken downloads, not a broken-into release. For that there
# is the provenance: gh attestation verify FILE --repo OWNER/weft.
set -eu
version=latest flavour=default to=${HOME:-}/.local/bin
die() { printf 'weft: install.sh: %s\n' "$*" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
        --version) version=${2:?}; shift 2 ;;
        --flavour) flavour=${2:?}; shift 2 ;;
        --to) to=${2:?}; shift 2 ;;
        --help | -h) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $1: use --version, --flavour or --to" ;;
    esac
done
case $(uname -s)-$(uname -m) in
    Linux-x86_64) name=weft-x86_64 ;;
    Linux-aarch64 | Linux-arm64) name=weft-aarch64 ;;
    Linux-riscv64) name=weft-riscv64 ;;
    *) die "there is no release for $(uname -s) on $(uname -m): build it with cargo build --release" ;;
esac
case $flavour-$name in
    default-weft-riscv64) die "for riscv64 there are the flavours edge and edge-offline: name one with --flavour" ;;
esac
case $flavour in
    default) ;;
    wasm | edge | edge-offline) name=$name-$flavour ;;
    *) die "no flavour $flavour: use default, wasm (runs WebAssembly programs as well), edge or edge-offline" ;;
esac
[ -n "${WEFT_RELEASES:-}" ] || die "set WEFT_RELEASES to where the releases are, such as https://example.org/weft/releases/download"
case $WEFT_RELEASES in https://* | http://127.0.0.1:* | file://*) ;; *) die "$WEFT_RELEASES: use https" ;; esac

# GitHub has the newest release at another address than the named ones.
case $version-$WEFT_RELEASES in
    latest-*/releases/download) from=${WEFT_RELEASES%/download}/latest/download ;;
    *) from=$WEFT_RELEASES/$version ;;
esac
# A server may send on to another address, but not to one without TLS.
protocols="=${WEFT_RELEASES%%:*}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
fetch() {
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --proto "$protocols" --tlsv1.2 --output "$work/$1" "$from/$1"
    elif command -v wget >/dev/null; then
        wget --quiet --output-document "$work/$1" "$from/$1"
    else
        die "there is neither curl nor wget: install one of them"
    fi || die "$from/$1 could not be fetched: nothing was installed"
}
fetch SHA256SUMS
fetch "$name"
want=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
have=$(sha256sum "$work/$name" | cut -d ' ' -f 1)
[ -n "$want" ] || die "SHA256SUMS says nothing of $name: nothing was installed"
[ "$want" = "$have" ] || die "$name has the SHA-256 $have, the release says $want: nothing was installed"
chmod 755 "$work/$name"
"$work/$name" --version >/dev/null || die "$name does not run here: nothing was installed"
mkdir -p "$to"
# Beside its place first, so that a weft that runs is replaced whole.
cp "$work/$name" "$to/.weft.$$"
mv "$to/.weft.$$" "$to/weft"
"$to/weft" --version
case :$PATH: in *:"$to":*) ;; *) printf 'weft: %s is not on your PATH: add it, or call %s/weft\n' "$to" "$to" >&2 ;; esac
