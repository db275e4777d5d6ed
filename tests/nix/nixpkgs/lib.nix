# Of nixpkgs' library what our flake uses.
let
  inside = root: path: builtins.substring (builtins.stringLength root + 1) (-1) path;
  starts = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
in
rec {
  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  optionalAttrs = condition: set: if condition then set else { };
  optionals = condition: list: if condition then list else [ ];
  importTOML = path: builtins.fromTOML (builtins.readFile path);
  last = list: builtins.elemAt list (builtins.length list - 1);
  toInt = builtins.fromJSON;
  splitString = sep: text: builtins.filter builtins.isString (builtins.split sep text);
  escapeShellArgs = list: builtins.concatStringsSep " " (map (word: "'${toString word}'") list);
  getExe = package: "${package}/bin/${package.meta.mainProgram or package.name}";
  literalExpression = text: text;
  mkIf = condition: set: if condition then set else { };
  mkEnableOption = text: { default = false; };
  mkOption =
    {
      type,
      default ? null,
      defaultText ? null,
      example ? null,
      description,
    }:
    builtins.seq type { inherit default; };
  types = {
    bool = "bool";
    package = "package";
    str = "str";
    nullOr = type: "null or ${type}";
  };
  licenses = {
    mit = "MIT";
    asl20 = "Apache-2.0";
  };
  platforms.unix = [ "unix" ];
  fileset = {
    unions = list: map (path: if builtins.pathExists path then toString path else throw "${toString path} is not there") list;
    toSource =
      { root, fileset }:
      let
        wanted = map (inside (toString root)) fileset;
      in
      builtins.path {
        path = root;
        name = "source";
        filter =
          path: _:
          let
            name = inside (toString root) path;
          in
          builtins.any (w: w == name || starts "${w}/" name || starts "${name}/" w) wanted;
      };
  };
}
