#!/usr/bin/env bash
# Builds the images of the Dockerfile and runs them, on a machine that reaches no image registry: the base images are stand-ins, made by
# mmdebstrap from the same distribution, with Debian's own Rust for the standard library of musl. Everything of the Dockerfile itself is
# executed as it stands. Builds twice and compares the binaries; needs root, and starts a Docker daemon of its own.
#
#   scripts/docker-build-check.sh [CARGO-CHEF]     a cargo-chef that is there already; else it is compiled, which takes minutes
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh
[ "$(id -u)" = 0 ] || die "docker-build-check: needs root: it starts a Docker daemon of its own"
need_packages docker.io iptables mmdebstrap python3 ca-certificates
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

release=bookworm
tree() {
    local name=$1
    shift
    mmdebstrap --quiet --variant=minbase "$@" $release "$work/$name.tar" "deb http://deb.debian.org/debian $release main" \
        "deb http://deb.debian.org/debian $release-updates main" "deb http://deb.debian.org/debian-security $release-security main" \
        2>"$work/$name.log" || { tail -n 20 "$work/$name.log" >&2; exit 3; }
}
step "stand-in for Debian" tree slim
step "stand-in for Rust with cargo-chef" tree chef --include=gcc,libc6-dev,musl-tools,rustc-web,cargo-web,rust-web-src,ca-certificates,git
base=debian:bookworm-slim
rust=$(sed -n 's/^ARG RUST=//p' Dockerfile)
image=lukemathwalker/cargo-chef:latest-rust-$rust-bookworm
path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
"$docker" import --change "$path" "$work/slim.tar" $base >/dev/null
"$docker" import --change "$path" "$work/chef.tar" weft-chef >/dev/null
rm "$work"/*.tar
# What this machine needs to reach the crates: its certificates and cargo's settings.
mkdir "$work/context"
cp "$chef" "$work/context/cargo-chef"
cp /etc/ssl/certs/ca-certificates.crt "$work/context/certs.crt"
cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$work/context/config.toml" 2>/dev/null || : > "$work/context/config.toml"
cat > "$work/context/Dockerfile" <<'END'
FROM weft-chef
COPY cargo-chef /usr/local/bin/cargo-chef
COPY certs.crt /etc/ssl/certs/ca-certificates.crt
COPY config.toml /root/.cargo/config.toml
END
arguments=(--network host)
for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!variable:-}" ] || arguments+=(--build-arg "$variable=${!variable}")
done
"$docker" build --quiet --tag "$image" "$work/context" >/dev/null

say "stand-in base images: from here on it is the Dockerfile"
commit=$(git rev-parse --short=12 HEAD)
build() { "$docker" build "${arguments[@]}" --build-arg "WEFT_COMMIT=$commit" "$@" . ; }
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
for name in runtime again; do
    id=$("$docker" create weft:$name)
    "$docker" cp "$id:/usr/bin/weft" "$work/$name.weft"
    "$docker" rm "$id" >/dev/null
done
sha256sum "$work/runtime.weft" "$work/again.weft" | sed "s|$work/||"
cmp "$work/runtime.weft" "$work/again.weft"
python3 scripts/bench/gate.py "image:above_base=$((runtime_bytes - base_bytes))" "image:scratch=$scratch_bytes"
say "the images are good"
