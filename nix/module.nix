# `services.weft-hub`: a registry of skills on this machine. TLS is a reverse proxy's: see `services.caddy` or `services.nginx`.
self:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.weft-hub;
  settings = (pkgs.formats.toml { }).generate "hub.toml" cfg.settings;
  data = "/var/lib/weft-hub";
in
{
  options.services.weft-hub = {
    enable = lib.mkEnableOption "weft hub, a registry of skills for AI agents";
    package = lib.mkOption {
      type = lib.types.package;
      default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
      defaultText = lib.literalExpression "weft.packages.\${system}.default";
      description = "The weft that serves.";
    };
    listen = lib.mkOption {
      type = lib.types.str;
      default = "127.0.0.1:8080";
      description = "Address and port. On another address than loopback tokens are readable on the way unless a proxy adds TLS.";
    };
    publicUrl = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "https://skills.example.org";
      description = "What users type. Signatures are about it: choose it before the first skill is published.";
    };
    settings = lib.mkOption {
      type = (pkgs.formats.toml { }).type;
      default = { };
      example.trusted_proxies = [ "127.0.0.1" ];
      description = "The rest of hub.toml.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Open the port of `listen`.";
    };
  };

  config = lib.mkIf cfg.enable {
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [
      (lib.toInt (lib.last (lib.splitString ":" cfg.listen)))
    ];
    systemd.services.weft-hub = {
      description = "weft hub, a registry of skills";
      documentation = [ "man:weft(1)" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = import ./unit.nix // {
        ExecStart = lib.escapeShellArgs (
          [
            (lib.getExe cfg.package)
            "hub"
            "serve"
            "--data"
            data
            "--init"
            "--listen"
            cfg.listen
            "--config"
            settings
          ]
          ++ lib.optionals (cfg.publicUrl != null) [
            "--public-url"
            cfg.publicUrl
          ]
        );
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        StateDirectory = "weft-hub";
      };
    };
  };
}
