#!/usr/bin/env bash
# Checks the flake on a machine that cannot reach nixpkgs: a stand-in (tests/nix/nixpkgs) takes its place, and the host's Rust builds.
# Every output is evaluated, for every system; the packages are built, one of them twice, and run. What this does not prove: that
# the names we use exist in the real nixpkgs. The hosted workflow does that.
# Needs nix 2.8 or newer (package nix-bin) and the crates of Cargo.lock (cargo fetch). Installs nothing into the system's Nix store:
# it has one of its own below target/nix.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/setup.sh
need_packages nix-bin git gcc libc6-dev
need_rust

work=$PWD/target/nix
stub=$work/nixpkgs
tree=$work/tree
rm -rf "$stub" "$tree"
mkdir -p "$stub" "$tree"
cp tests/nix/nixpkgs/*.nix "$stub"
cat > "$stub/host.nix" <<END
{
  path = "$PATH";
  bash = "$(command -v bash)";
  cargoHome = "${CARGO_HOME:-$HOME/.cargo}";
  rustupHome = "${RUSTUP_HOME:-$HOME/.rustup}";
  toolchain = "${RUSTUP_TOOLCHAIN:-}";
}
END
cargo fetch --locked --quiet
# What is tracked, as it is in the working tree.
git ls-files -z | xargs -0 cp --parents -t "$tree"

export NIX_CONFIG='
experimental-features = nix-command flakes
sandbox = false
build-users-group =
substituters =
flake-registry =
'
export NIX_STORE_DIR=$work/store NIX_STATE_DIR=$work/state NIX_LOG_DIR=$work/log NIX_CONF_DIR=$work/none
flake=(--offline --no-write-lock-file --override-input nixpkgs "path:$stub")
system=$(uname -m)-linux

step "every output, every system" nix flake check --no-build "${flake[@]}" "path:$tree"
for package in default edge; do
    step "$package" nix build "${flake[@]}" --no-link "path:$tree#packages.$system.$package"
done
step "run" nix run "${flake[@]}" "path:$tree" -- --version
step "built again, the same" nix build --rebuild "${flake[@]}" --no-link "path:$tree#packages.$system.default"
say "checked with a stand-in for nixpkgs"
