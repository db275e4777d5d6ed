#!/usr/bin/env bash
# Builds the images of the Dockerfile and runs them, on a machine that reaches no image registry: the base images are stand-ins, made by
# mmdebstrap from the same distribution, with the host's rustup toolchain where the published image has one (without rustup: Debian's
# Rust, which compiles the standard library along). Everything of the Dockerfile itself is executed as it stands. Builds twice from
# nothing and compares the binaries; builds for arm64 and runs that under QEMU. Needs root, and starts a Docker daemon of its own.
#
#   scripts/docker-build-check.sh [--only amd64|arm64] [CARGO-CHEF]
#
# CARGO-CHEF is one that is there already; else it is compiled, which takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh
[ "$(id -u)" = 0 ] || die "docker-build-check: needs root: it starts a Docker daemon of its own"
only=
if [ "${1:-}" = --only ]; then
    only=${2:?--only needs amd64 or arm64}
    case $only in amd64 | arm64) ;; *) die "docker-build-check: --only $only: use amd64 or arm64" ;; esac
    shift 2
fi
need_packages docker.io iptables mmdebstrap debian-archive-keyring python3 ca-certificates git
need_rust
docker=/usr/bin/docker
chef=${1:-$PWD/target/chef/bin/cargo-chef}
[ -x "$chef" ] || step "cargo-chef" cargo install cargo-chef --locked --root target/chef

work=$(mktemp -d /var/tmp/weft-image.XXXXXX)
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
mkdir "$work/root" "$work/exec"
dockerd --data-root "$work/root" --exec-root "$work/exec" -H "unix://$work/s" --pidfile "$work/pid" \
    --iptables=false --ip6tables=false --bridge=none --storage-driver=overlay2 >"$work/log" 2>&1 &
daemon=$!
export DOCKER_HOST=unix://$work/s DOCKER_BUILDKIT=1
for _ in $(seq 100); do
    "$docker" version >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || { tail -n 20 "$work/log" >&2; exit 3; }
    sleep 0.2
done

# Stand-ins are kept: they are the distribution's, not ours.
release=bookworm trees=$PWD/target/images
mkdir -p "$trees"
tree() {
    local name=$1
    shift
    [ ! -e "$trees/$name.tar" ] || return 0
    mmdebstrap --quiet --variant=minbase "$@" $release "$trees/$name.new.tar" "deb http://deb.debian.org/debian $release main" \
        "deb http://deb.debian.org/debian $release-updates main" "deb http://deb.debian.org/debian-security $release-security main" \
        2>"$work/$name.log" || { tail -n 20 "$work/$name.log" >&2; exit 3; }
    mv "$trees/$name.new.tar" "$trees/$name.tar"
}
step "stand-in for Debian" tree slim
rust=$(sed -n 's/^ARG RUST=//p' Dockerfile)
toolchain='' rust_tree=chef-debian packages=gcc,libc6-dev,ca-certificates,git
if command -v rustup >/dev/null; then
    toolchain=$(rustc --print sysroot)
    rust_tree="chef-rustup"
else
    packages+=,musl-tools,rustc-web,cargo-web,rust-web-src
fi
step "stand-in for Rust with cargo-chef" tree $rust_tree "--include=$packages"
base=debian:bookworm-slim
image=lukemathwalker/cargo-chef:latest-rust-$rust-bookworm
path='ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
"$docker" import --change "$path" "$trees/slim.tar" $base >/dev/null
"$docker" import --change "$path" --change 'ENV RUSTUP_HOME=/usr/local/rustup' --change 'ENV CARGO_HOME=/usr/local/cargo' \
    "$trees/$rust_tree.tar" weft-chef >/dev/null
# What this machine needs to reach the crates: its certificates and cargo's settings.
context=$work/context
mkdir -p "$context/cargo/bin" "$context/rustup/toolchains"
cp "$chef" "$context/cargo/bin/cargo-chef"
cp /etc/ssl/certs/ca-certificates.crt "$context/certs.crt"
cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$context/cargo/config.toml" 2>/dev/null || : > "$context/cargo/config.toml"
if [ -n "$toolchain" ]; then
    cp "$(command -v rustup)" "$context/cargo/bin/rustup"
    for program in cargo rustc; do ln -s rustup "$context/cargo/bin/$program"; done
    name=$(basename "$toolchain")
    mkdir "$context/rustup/toolchains/$name"
    cp -a "$toolchain/bin" "$toolchain/lib" "$context/rustup/toolchains/$name"
    printf 'version = "12"\nprofile = "minimal"\ndefault_toolchain = "%s"\n' "$name" > "$context/rustup/settings.toml"
fi
cat > "$context/Dockerfile" <<'END'
FROM weft-chef
COPY certs.crt /etc/ssl/certs/ca-certificates.crt
COPY rustup /usr/local/rustup
COPY cargo /usr/local/cargo
END
arguments=(--network host)
for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!variable:-}" ] || arguments+=(--build-arg "$variable=${!variable}")
done
"$docker" build --quiet --tag "$image" "$context" >/dev/null
rm -rf "$context"

say "stand-in base images: from here on it is the Dockerfile"
commit=$(git rev-parse --short=12 HEAD)
build() { "$docker" build "${arguments[@]}" --build-arg "WEFT_COMMIT=$commit" "$@" . ; }
binary_of() {
    local id
    id=$("$docker" create "$1")
    "$docker" cp "$id:/usr/bin/weft" "$work/$2"
    "$docker" rm "$id" >/dev/null
}
check_amd64() {
    local kind base_bytes runtime_bytes scratch_bytes
    step "runtime" build --tag weft:runtime
    step "scratch" build --tag weft:scratch --target scratch
    for kind in runtime scratch; do
        DOCKER=$docker SMOKE_OPTIONS="--network none" scripts/build/smoke.sh weft:$kind
    done
    base_bytes=$("$docker" image inspect --format '{{.Size}}' $base)
    runtime_bytes=$("$docker" image inspect --format '{{.Size}}' weft:runtime)
    scratch_bytes=$("$docker" image inspect --format '{{.Size}}' weft:scratch)
    echo "image: $((runtime_bytes - base_bytes)) bytes above its base; scratch: $scratch_bytes bytes"
    say "again, from nothing: the binary is the same"
    build --quiet --no-cache --tag weft:again >/dev/null
    binary_of weft:runtime runtime.weft
    binary_of weft:again again.weft
    (cd "$work" && sha256sum runtime.weft again.weft)
    cmp "$work/runtime.weft" "$work/again.weft"
    python3 scripts/bench/gate.py "image:above_base=$((runtime_bytes - base_bytes))" "image:scratch=$scratch_bytes" \
        "toolchain=$("$docker" run --rm --network none --entrypoint rustc "$image" --version)"
}
[ "$only" = arm64 ] || check_amd64

# arm64: cross-compiled by the same stages; what its runtime stage executes, and the image, run under QEMU.
can_emulate() {
    (need_packages qemu-user-static binfmt-support arch-test) || return 1
    mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || return 1
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64
}
if [ "$only" = amd64 ]; then
    echo "SKIPPED: the image for arm64: --only amd64"
elif ! can_emulate; then
    echo "SKIPPED: the image for arm64: no QEMU here"
else
    step "stand-in for Debian on arm64" tree slim-arm64 --architectures=arm64
    scripts/build/docker-import.py "$trees/slim-arm64.tar" weft-base-arm64:latest arm64 | "$docker" load >/dev/null
    step "runtime for arm64" build --platform linux/arm64 --build-arg BASE=weft-base-arm64 --tag weft:arm64
    echo "image: $("$docker" image inspect --format '{{.Os}} {{.Architecture}}' weft:arm64)"
    # Emulated, so slower.
    DOCKER=$docker SMOKE_OPTIONS="--network none --platform linux/arm64" SMOKE_STOP=5000 scripts/build/smoke.sh weft:arm64
fi
say "the images are good"
