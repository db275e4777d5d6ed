# The image without a distribution: the static binary, the certificates that TLS trusts, a user. In layers, so that a new weft is one
# small layer over what is there.
{
  dockerTools,
  cacert,
  weft,
}:
dockerTools.buildLayeredImage {
  name = "weft";
  tag = weft.version;
  contents = [
    weft
    cacert
  ];
  extraCommands = ''
    mkdir -p data tmp etc
    chmod 1777 tmp
    echo 'weft:x:65532:65532:weft:/data:/sbin/nologin' > etc/passwd
    echo 'weft:x:65532:' > etc/group
  '';
  fakeRootCommands = "chown 65532:65532 data";
  config = {
    User = "65532:65532";
    Entrypoint = [ "/bin/weft" ];
    Cmd = [
      "hub"
      "serve"
      "--data"
      "/data"
      "--init"
      "--listen"
      "0.0.0.0:8080"
    ];
    ExposedPorts."8080/tcp" = { };
    Volumes."/data" = { };
    Env = [ "SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt" ];
    Healthcheck = {
      Test = [
        "CMD"
        "/bin/weft"
        "health"
      ];
      Interval = 30000000000;
      Timeout = 5000000000;
    };
  };
}
