# A Rust package built by the host's cargo, offline, from the crates that the host has.
{
  lib,
  host,
  system,
  static,
}:
let
  build =
    args:
    let
      all = {
        nativeBuildInputs = [ ];
        buildPhase = ''
          cargo build --offline --locked --release --no-default-features --features ${toString args.buildFeatures}
        '';
        installPhase = ''
          install -Dm755 target/release/${args.meta.mainProgram} $out/bin/${args.meta.mainProgram}
        '';
        # What nixpkgs' phases call around ours.
        runHook = "";
      }
      // args;
      drv = derivation (
        {
          name = "${all.pname}-${all.version}";
          inherit system;
          builder = host.bash;
          args = [
            "-ec"
            ''
              runHook() { :; }
              cp -r ${all.src} source && chmod -R u+w source && cd source
              export HOME=$PWD CARGO_TARGET_DIR=$PWD/target
              # Where the build folder is must not be seen in what is built.
              export RUSTFLAGS="--remap-path-prefix=$PWD=/build --remap-path-prefix=${host.cargoHome}=/cargo"
              ${all.buildPhase}
              ${all.installPhase}
              ${all.postInstall}
            ''
          ];
          PATH = host.path;
          CARGO_HOME = host.cargoHome;
          RUSTUP_HOME = host.rustupHome;
          RUSTUP_TOOLCHAIN = host.toolchain;
        }
        // args.env
      );
    in
    drv
    // {
      inherit (all) meta version;
      overrideAttrs = f: build (args // f all);
    };
in
build
