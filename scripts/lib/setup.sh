# shellcheck shell=bash
# Sourced by the scripts beside it: installs what is missing on Debian and Ubuntu, and says what it does.

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'weft: %s\n' "$*" >&2; exit 1; }

# Runs a named step, so that a long log tells where it is.
step() {
    local name=$1
    shift
    say "$name: $*"
    "$@"
}

# Runs a command as root: directly, or by sudo where there is one.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "cannot run '$*' as root: run this as root, or install sudo"
    fi
}

# Installs those of the named Debian packages that are missing. Touches nothing when all are there.
need_packages() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "these packages are missing and there is no apt-get: ${missing[*]}"
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Installs a Debian package unless the command that it brings works already, wherever that is from. Where it cannot be installed,
# what needs it is skipped, and that is said.
want() {
    local command=$1 package=$2
    $command >/dev/null 2>&1 && return 0
    (need_packages "$package") || echo "SKIPPED: what needs $package: it could not be installed"
}

# The oldest compiler that builds weft, as Cargo.toml says.
rust_wanted() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

rust_new_enough() {
    local have
    have=$(rustc --version 2>/dev/null | awk '{print $2}') || return 1
    [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$(rust_wanted)" "$have" | sort -V | head -n 1)" = "$(rust_wanted)" ]
}

# A Rust toolchain with rustfmt and clippy: the one that is there if it is new enough, else by rustup.
need_rust() {
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    if ! rust_new_enough; then
        say "installing Rust $(rust_wanted) or newer by rustup (https://rustup.rs)"
        if command -v rustup >/dev/null; then
            rustup toolchain install stable --profile minimal --component rustfmt,clippy
            rustup default stable
        else
            need_packages curl ca-certificates
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs -o "${TMPDIR:-/tmp}/rustup-init.$$"
            sh "${TMPDIR:-/tmp}/rustup-init.$$" -y --profile minimal --component rustfmt --component clippy
            rm -f "${TMPDIR:-/tmp}/rustup-init.$$"
            . "$HOME/.cargo/env"
        fi
        rust_new_enough || die "no Rust $(rust_wanted) or newer after installing: see https://rustup.rs"
    fi
}

# What builds static binaries for the named targets: rustup's toolchain with its standard libraries for them and rust-src, else the
# distribution's, which compiles the standard library along. Sets CARGO and RUSTC, which scripts/build/static.sh respects. Fails, and
# says so, where neither is to be had.
need_static_rust() {
    need_packages gcc libc6-dev musl-tools
    need_rust
    if command -v rustup >/dev/null && rustup target add "$@" >/dev/null 2>&1 && rustup component add rust-src >/dev/null 2>&1; then
        return 0
    fi
    say "rustup has no $* here: the distribution's Rust compiles the standard library along"
    (need_packages rustc-web cargo-web rust-web-src) || { say "nor has the distribution (rustc-web, cargo-web, rust-web-src)"; return 1; }
    export CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc PATH=/usr/bin:$PATH
}
