# A stand-in for nixpkgs, for machines that cannot reach it: as much of it as our flake asks for, built with the host's own tools.
# A name that our flake misspells fails here; that a name exists in the real nixpkgs only the hosted workflow proves.
{
  outputs =
    { self }:
    let
      host = import ./host.nix;
      lib = import ./lib.nix;
      package =
        system: name: script:
        derivation {
          inherit name system;
          builder = "/bin/sh";
          args = [
            "-ec"
            script
          ];
          PATH = host.path;
        };
      make =
        system: static:
        let
          os = builtins.elemAt (builtins.match "[^-]*-(.*)" system) 0;
          tool = name: (package system name "mkdir $out") // { inherit system; };
          rust = import ./rust.nix {
            inherit
              lib
              host
              system
              static
              ;
          };
          callPackage =
            file: more:
            let
              f = import file;
              wanted = builtins.functionArgs f;
              have = builtins.intersectAttrs wanted (pkgs // more);
            in
            f (have // builtins.intersectAttrs wanted more);
          pkgs = {
            inherit lib system callPackage;
            stdenv.hostPlatform = {
              inherit system;
              isLinux = os == "linux";
            };
            rustPlatform.buildRustPackage = rust;
            pkgsStatic = make system true;
            mkShell = { inputsFrom, packages }: package system "shell" "echo ${toString (inputsFrom ++ packages)} > $out";
            runCommand =
              name:
              { nativeBuildInputs ? [ ] }:
              package system name;
            dockerTools.buildLayeredImage =
              {
                name,
                tag,
                contents,
                extraCommands,
                fakeRootCommands,
                config,
              }:
              # The tree and the configuration, not the archive: that is the real one's work.
              package system "${name}-${tag}-image" ''
                mkdir -p $out/root && cd $out/root
                for from in ${toString contents}; do cp -r $from/. . && chmod -R u+w .; done
                ${extraCommands}
                ${fakeRootCommands}
                cat > $out/config.json <<'END'
                ${builtins.toJSON config}
                END
              '';
            formats.toml = { }: {
              type = "toml";
              generate = name: value: builtins.toFile name (builtins.toJSON value);
            };
            # The machine's configuration is computed, which finds mistakes in the module; nothing boots here.
            testers.runNixOSTest =
              {
                name,
                nodes,
                testScript,
              }:
              let
                args = {
                  inherit lib pkgs;
                  config.services.weft-hub = defaults // nodes.machine.services.weft-hub // { package = pkgs.cargo; };
                };
                module = (builtins.head nodes.machine.imports) args;
                defaults = builtins.mapAttrs (_: option: option.default or null) module.options.services.weft-hub;
              in
              package system "vm-${name}" ''
                cat > $out <<'END'
                ${builtins.toJSON (builtins.deepSeq testScript module.config)}
                END
              '';
          }
          // builtins.listToAttrs (
            map
              (name: {
                inherit name;
                value = tool name;
              })
              [
                "cacert"
                "cargo"
                "clippy"
                "coreutils"
                "git"
                "nixfmt-rfc-style"
                "python3"
                "rust-analyzer"
                "rustfmt"
                "shellcheck"
              ]
          );
        in
        pkgs;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] (system: make system false);
    };
}
