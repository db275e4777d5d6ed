{
  description = "weft: makes AI-agent skills and tools safe to get and safe to run";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      lib = nixpkgs.lib;
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      # The scanner and the client of the registry run there as well; the sandbox does not.
      darwin = [
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = systems: make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      weft = pkgs: more: pkgs.callPackage ./nix/package.nix ({ rev = self.shortRev or self.dirtyShortRev or ""; } // more);
    in
    {
      packages = each (linux ++ darwin) (
        pkgs:
        {
          default = weft pkgs { };
          edge = weft pkgs { flavour = "edge"; };
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          # One static file, by musl.
          static = weft pkgs.pkgsStatic { };
          # `docker load < $(nix build --print-out-paths .#docker)`
          docker = pkgs.callPackage ./nix/docker.nix { weft = weft pkgs.pkgsStatic { }; };
        }
      );

      apps = each (linux ++ darwin) (pkgs: {
        default = {
          type = "app";
          program = "${self.packages.${pkgs.system}.default}/bin/weft";
          meta.description = "Scan, run and get skills";
        };
      });

      devShells = each (linux ++ darwin) (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.system}.default ];
          packages = [
            pkgs.cargo
            pkgs.clippy
            pkgs.rustfmt
            pkgs.rust-analyzer
            pkgs.shellcheck
          ];
        };
      });

      formatter = each (linux ++ darwin) (pkgs: pkgs.nixfmt-rfc-style);

      overlays.default = final: _: { weft = weft final { }; };

      nixosModules.default = import ./nix/module.nix self;

      checks = each linux (
        pkgs:
        import ./nix/checks.nix {
          inherit pkgs;
          source = ./.;
          module = self.nixosModules.default;
          packages = self.packages.${pkgs.system};
        }
      );
    };
}
