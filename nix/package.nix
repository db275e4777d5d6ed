# weft from this source tree. `flavour`: default (everything) or edge (scan, sandbox and client, built for size).
{
  lib,
  rustPlatform,
  flavour ? "default",
  rev ? "",
}:
let
  manifest = (lib.importTOML ../Cargo.toml).package;
  # What the binary is made of: a change of the docs, of a script or of a workflow builds nothing anew.
  source = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../build.rs
      ../build
      ../src
      ../rules
      ../policies
      # Named by Cargo.toml.
      ../benches
      ../tests
      ../README.md
      ../LICENSE-MIT
      ../LICENSE-APACHE
      ../CHANGELOG.md
      # Shown by `weft --help` and installed below.
      ../docs/weft.1
    ];
  };
in
rustPlatform.buildRustPackage {
  pname = if flavour == "default" then manifest.name else "${manifest.name}-${flavour}";
  inherit (manifest) version;
  src = source;
  cargoLock.lockFile = ../Cargo.lock;
  buildNoDefaultFeatures = true;
  buildFeatures = [ flavour ];
  # There is no .git in the build.
  env = {
    WEFT_COMMIT = rev;
  }
  // lib.optionalAttrs (flavour == "edge") { CARGO_PROFILE_RELEASE_OPT_LEVEL = "z"; };
  # The tests want a kernel of their own (namespaces, Landlock) and loopback: they are `checks.tests`.
  doCheck = false;
  postInstall = ''
    install -Dm444 docs/weft.1 $out/share/man/man1/weft.1
    for shell in bash zsh fish; do $out/bin/weft completions $shell > weft.$shell; done
    install -Dm444 weft.bash $out/share/bash-completion/completions/weft
    install -Dm444 weft.zsh $out/share/zsh/site-functions/_weft
    install -Dm444 weft.fish $out/share/fish/vendor_completions.d/weft.fish
  '';
  meta = {
    inherit (manifest) description;
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "weft";
    platforms = lib.platforms.unix;
  };
}
