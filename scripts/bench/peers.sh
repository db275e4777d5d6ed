#!/usr/bin/env bash
# Installs the programs that compare.sh measures beside weft, those that can be had here, and prints their versions. What cannot be had
# is said in a line that starts with SKIPPED.
#
#   scripts/bench/peers.sh [--list] [NAME...]      (default: all)
#
# Where from: Debian's packages, crates.io, npm and PyPI, and their makers' own repositories for what is nowhere else (go, git).
# What need not be a package of the system goes into target/peers (or PEERS_FOLDER) and is gone with that folder: bin/ has a link to
# each program. Programs that somebody else packed into an index are not taken: put one of your own into the path, and compare.sh takes it.
# --list installs nothing and prints the versions of what is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh

folder=$(realpath -m "${PEERS_FOLDER:-target/peers}")
all=(tools tinyproxy bwrap firejail srt codex nono sandlock landrun island rg gitleaks betterleaks cisco-ai-skill-scanner skillscan-security skillspector clawhub nginx)
list=no
[ "${1:-}" != --list ] || { list=yes; shift; }
[ $# -gt 0 ] || set -- "${all[@]}"
mkdir -p "$folder/bin"
PATH=$folder/bin:$PATH
log=$folder/log.txt

skip() { echo "SKIPPED: $1: $2"; }
# Puts a program into bin/. A program that looks for its own files beside it is called by its path instead.
link() { ln -sf "$1" "$folder/bin/$(basename "${2:-$1}")"; }

# Each gets a program by name, if it is not there already, and says why where it cannot be.
from_apt() {
    command -v "$1" >/dev/null && return 0
    (need_packages "${@:2}") >>"$log" 2>&1 || skip "$1" "no package ${*:2} here"
}
from_cargo() {
    [ ! -e "$folder/bin/$1" ] || return 0
    cargo install --quiet --locked --root "$folder/cargo" "$2" >>"$log" 2>&1 || { skip "$1" "cargo install $2 failed: $log"; return 0; }
    link "$folder/cargo/bin/$1"
}
# A folder for each, for each brings its own dependencies.
from_npm() {
    local name=$1
    shift
    [ ! -e "$folder/bin/$name" ] || return 0
    command -v npm >/dev/null || { skip "$name" "npm is missing"; return 0; }
    npm install --no-audit --no-fund --loglevel=error --prefix "$folder/npm-$name" "$@" >>"$log" 2>&1 || { skip "$name" "npm install $* failed: $log"; return 0; }
    # The Node that was installed along with it, if it was.
    # shellcheck disable=SC2016 # the program's own shell expands it
    printf '#!/bin/sh\nPATH=%s/node_modules/.bin:$PATH exec %s/node_modules/.bin/%s "$@"\n' "$folder/npm-$name" "$folder/npm-$name" "$name" >"$folder/bin/$name"
    chmod +x "$folder/bin/$name"
}
from_pip() {
    [ ! -e "$folder/bin/$1" ] || return 0
    python3 -m venv "$folder/pip-$1" >>"$log" 2>&1 || { skip "$1" "python3 has no venv"; return 0; }
    if ! "$folder/pip-$1/bin/pip" install --quiet --only-binary :all: "$2" >>"$log" 2>&1; then
        rm -rf "$folder/pip-$1"
        skip "$1" "pip install $2: not to be had for this Python: $log"
        return 0
    fi
    link "$folder/pip-$1/bin/${3:-$1}" "$1"
}
from_go() {
    command -v "$1" >/dev/null && return 0
    command -v go >/dev/null || { skip "$1" "it is a Go program, and go is missing"; return 0; }
    GOBIN=$folder/bin timeout 300 go install "$2" >>"$log" 2>&1 || skip "$1" "go install $2 failed: $log"
}
from_git() {
    local name=$1
    shift
    command -v "$name" >/dev/null && return 0
    if ! GIT_TERMINAL_PROMPT=0 timeout 600 "$@" >>"$log" 2>&1; then
        skip "$name" "it is in no index, and its repository could not be reached: $log"
    fi
}

# Prints the first line that a program says of its version.
version() {
    local name=$1 said
    shift
    command -v "$name" >/dev/null || return 0
    said=$( (timeout 60 "$name" "$@" 2>&1 </dev/null || true) | sed -n '/[0-9]\.[0-9]/{s/  *Copyright.*//;p}' | sed -n 1p)
    printf '%-24s %s\n' "$name" "${said:-unknown}"
}

get() {
    case $1 in
        # What measures.
        tools) from_apt hyperfine hyperfine; from_apt /usr/bin/time time; from_apt unzip unzip; from_apt wrk wrk; from_apt curl curl ca-certificates ;;
        tinyproxy) from_apt tinyproxy tinyproxy-bin ;;
        bwrap) from_apt bwrap bubblewrap ;;
        firejail) from_apt firejail firejail ;;
        # sandbox-runtime; it stands on bubblewrap.
        srt) from_apt socat socat; from_apt bwrap bubblewrap; from_apt rg ripgrep; from_npm srt node@22 @anthropic-ai/sandbox-runtime@0.0.83 ;;
        codex) from_npm codex node@22 @openai/codex@0.171.0 ;;
        nono) from_apt pkg-config pkg-config; (need_packages libdbus-1-dev) >>"$log" 2>&1 || true; from_cargo nono nono-cli@0.81.0 ;;
        sandlock) from_cargo sandlock sandlock-cli@0.9.0 ;;
        landrun) from_go landrun github.com/zouuup/landrun/cmd/landrun@latest ;;
        island) from_git island cargo install --quiet --root "$folder" --git https://github.com/landlock-lsm/island island ;;
        rg) from_apt rg ripgrep ;;
        gitleaks) from_apt gitleaks gitleaks ;;
        betterleaks) from_go betterleaks github.com/betterleaks/betterleaks@latest ;;
        cisco-ai-skill-scanner) from_pip cisco-ai-skill-scanner cisco-ai-skill-scanner==2.3.2 skill-scanner ;;
        skillscan-security) from_pip skillscan-security skillscan-security skillscan ;;
        skillspector) from_git skillspector bash -c "python3 -m venv '$folder/pip-skillspector' && '$folder/pip-skillspector/bin/pip' install --quiet git+https://github.com/NVIDIA/SkillSpector && ln -sf '$folder/pip-skillspector/bin/skillspector' '$folder/bin/skillspector'" ;;
        clawhub) from_npm clawhub node@22 clawhub@0.23.3 ;;
        # Unpacked, not installed: an installed one is a service that starts.
        nginx)
            [ ! -e "$folder/bin/nginx" ] || return 0
            if command -v nginx >/dev/null; then return 0; fi
            mkdir -p "$folder/apt"
            (cd "$folder/apt" && apt-get download nginx && dpkg -x nginx_*.deb .) >>"$log" 2>&1 && [ -x "$folder/apt/usr/sbin/nginx" ] ||
                { skip nginx "apt-get download nginx failed: $log"; return 0; }
            link "$folder/apt/usr/sbin/nginx"
            ;;
        *) die "peers.sh: $1: not a peer: use ${all[*]}" ;;
    esac
}

for name in "$@"; do
    [ $list = yes ] || { say "$name"; get "$name"; }
done
for name in "$@"; do
    case $name in
        tools) version hyperfine --version; version wrk --version; version curl --version; version unzip -v ;;
        nginx) version nginx -v ;;
        clawhub) version clawhub --cli-version ;;
        *) version "$name" --version ;;
    esac
done
