# `nix flake check`: what a pull request is held to, by Nix.
{
  pkgs,
  source,
  module,
  packages,
}:
let
  inherit (pkgs) lib;
  weft = packages.default;
  # cargo with weft's crates, in the whole tree; its output is the log.
  cargo =
    name: tools: command:
    weft.overrideAttrs (old: {
      pname = "weft-${name}";
      src = source;
      nativeBuildInputs = old.nativeBuildInputs ++ tools;
      buildPhase = ''
        runHook preBuild
        ${command}
        runHook postBuild
      '';
      installPhase = "touch $out";
      postInstall = "";
    });
in
{
  build = weft;
  inherit (packages) edge static;
  fmt = cargo "fmt" [ pkgs.rustfmt ] "cargo fmt --check";
  clippy = cargo "clippy" [ pkgs.clippy ] "cargo clippy --offline --all-targets -- -D warnings";
  # What needs no namespaces, which Nix's own sandbox refuses inside; the rest runs in the virtual machine and in the workflow.
  tests = cargo "tests" [ pkgs.python3 pkgs.git ] "cargo test --offline --lib --test rules --test engine_equivalence --test cli_scan";
  size = pkgs.runCommand "weft-size" { nativeBuildInputs = [ pkgs.python3 ]; } ''
    python3 ${source}/scripts/bench/gate.py --baseline ${source}/baseline.json \
      default:size:${packages.static}/bin/weft
    touch $out
  '';
  policies = pkgs.runCommand "weft-policies" { } ''
    ${lib.getExe weft} policy check ${source}/policies/*.toml
    touch $out
  '';
  vm = pkgs.testers.runNixOSTest {
    name = "weft-hub";
    nodes.machine = {
      imports = [ module ];
      services.weft-hub.enable = true;
      environment.systemPackages = [ weft ];
    };
    testScript = ''
      machine.wait_for_unit("weft-hub.service")
      machine.wait_for_open_port(8080)
      machine.succeed("weft health http://127.0.0.1:8080")
      # The sandbox on a kernel of its own.
      machine.succeed("weft doctor")
      machine.succeed("systemctl restart weft-hub && weft health http://127.0.0.1:8080")
    '';
  };
}
