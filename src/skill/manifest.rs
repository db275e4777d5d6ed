//! The frontmatter of SKILL.md: what a skill says it is and needs. Nothing here is believed; it only narrows what a skill
//! may do, and names it. The body is the scanner's.

use super::path::SafePath;
use super::yaml::{self, Node, Value, YamlError};
use std::fmt;

/// Frontmatter longer than this, in bytes, is refused.
pub const LONGEST: usize = 64 << 10;

/// What the frontmatter says, as far as weft knows the fields (docs/skill-manifest.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub name: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    pub license: Option<String>,
    /// `homepage`, `website` or `url`.
    pub homepage: Option<String>,
    pub emoji: Option<String>,
    pub author: Option<String>,
    pub tags: Vec<String>,
    /// Loaded without being asked for.
    pub always: bool,
    pub primary_env: Option<String>,
    pub os: Vec<String>,
    /// Programs that must be there.
    pub bins: Vec<String>,
    /// Programs of which one must be there.
    pub any_bins: Vec<String>,
    /// Environment variables that must be set.
    pub env: Vec<String>,
    /// Configuration paths that must be there.
    pub config: Vec<String>,
    /// Environment variables it knows, beyond `env`.
    pub env_vars: Vec<EnvVar>,
    /// How its programs are installed: kind and package. Never run by weft.
    pub installs: Vec<Install>,
    /// `metadata.weft.exec`: files of the skill that get an execute bit.
    pub exec: Vec<SafePath>,
    /// `metadata.weft.hosts`: hosts its scripts talk to.
    pub hosts: Vec<String>,
}

/// A variable of `envVars`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvVar {
    pub name: String,
    pub required: bool,
}

/// An entry of `install`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Install {
    /// `brew`, `node`, `go`, `uv`, or something a registry does not know.
    pub kind: String,
    /// The formula, package or module.
    pub package: String,
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// In SKILL.md, from 1.
    pub line: usize,
    pub what: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ManifestError {}

/// The text between the `---` lines at the very top. `None` if there is none.
pub fn frontmatter(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---")?;
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'))?;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return rest.get(..at);
        }
        at += line.len();
    }
    None
}

impl Manifest {
    /// Reads the frontmatter of a SKILL.md. Without any, everything is empty; unknown fields are ignored; a known field
    /// of the wrong shape is an error.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let Some(front) = frontmatter(text) else { return Ok(Manifest::default()) };
        if front.len() > LONGEST {
            return Err(ManifestError { line: 1, what: format!("frontmatter longer than {LONGEST} bytes") });
        }
        // Line 1 is `---`.
        let place = |error: YamlError| ManifestError { line: error.line + 1, what: error.what };
        let Some(root) = yaml::parse(front).map_err(place)? else { return Ok(Manifest::default()) };
        let mut manifest = Manifest::default();
        manifest.read(&root).map_err(place)?;
        Ok(manifest)
    }

    fn read(&mut self, root: &Node) -> Result<(), YamlError> {
        if !root.is_map() {
            return wrong(root, "the frontmatter must be `name: value` lines");
        }
        self.name = text(root, "name")?;
        self.description = text(root, "description")?;
        self.version = text(root, "version")?;
        self.license = text(root, "license")?;
        for key in ["homepage", "website", "url"] {
            self.homepage = self.homepage.take().or(text(root, key)?);
        }
        self.emoji = text(root, "emoji")?;
        self.tags = words(root, "tags")?;
        // Agent Skills has a map of texts here, ClawHub also a JSON text; JSON is YAML.
        let inline = match root.get("metadata") {
            Some(node @ Node { value: Value::Scalar { .. }, .. }) => {
                let parsed = yaml::parse(node.as_str().unwrap_or_default());
                parsed.map_err(|error| YamlError {
                    line: node.line,
                    what: format!("metadata: {}", error.what),
                })?
            }
            other => other.cloned(),
        };
        let metadata = match inline {
            Some(node) if !node.is_map() => return wrong(&node, "`metadata` must be a map"),
            other => other,
        };
        let metadata = metadata.as_ref();
        if let Some(description) = metadata.map(|node| text(node, "description")).transpose()?.flatten() {
            self.description = Some(description);
        }
        let block = ["clawdbot", "clawdis", "openclaw"]
            .into_iter()
            .find_map(|key| metadata?.get(key).filter(|node| node.is_map()))
            .or_else(|| root.get("clawdis").filter(|node| node.is_map()));
        if let Some(block) = block {
            self.runtime(block)?;
        }
        if let Some(own) = metadata.and_then(|node| node.get("weft")) {
            self.own(own)?;
        }
        Ok(())
    }

    fn runtime(&mut self, block: &Node) -> Result<(), YamlError> {
        self.always = match block.get("always") {
            Some(node) => match node.as_bool() {
                Some(always) => always,
                None => return wrong(node, "`always` must be true or false"),
            },
            None => false,
        };
        self.primary_env = text(block, "primaryEnv")?;
        self.author = text(block, "author")?;
        self.emoji = self.emoji.take().or(text(block, "emoji")?);
        self.homepage = self.homepage.take().or(text(block, "homepage")?);
        self.os = words(block, "os")?;
        if let Some(requires) = block.get("requires") {
            self.bins = words(requires, "bins")?;
            self.any_bins = words(requires, "anyBins")?;
            self.env = words(requires, "env")?;
            self.config = words(requires, "config")?;
        }
        if let Some(list) = block.get("envVars").or_else(|| block.get("env")) {
            for item in list.as_list().unwrap_or_default() {
                let var = match item.as_str() {
                    Some(name) => EnvVar { name: name.to_owned(), required: false },
                    None => EnvVar {
                        name: text(item, "name")?.unwrap_or_default(),
                        required: item.get("required").and_then(Node::as_bool).unwrap_or(false),
                    },
                };
                if var.name.is_empty() {
                    return wrong(item, "a variable without a name");
                }
                self.env_vars.push(var);
            }
        }
        for item in block.get("install").and_then(Node::as_list).unwrap_or_default() {
            let mut package = None;
            for key in ["formula", "package", "module"] {
                package = package.or(text(item, key)?);
            }
            self.installs.push(Install {
                kind: text(item, "kind")?.or(text(item, "type")?).unwrap_or_default(),
                package: package.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn own(&mut self, own: &Node) -> Result<(), YamlError> {
        self.hosts = words(own, "hosts")?;
        for path in words(own, "exec")? {
            match SafePath::new(&path) {
                Ok(path) if !path.is_hidden() => self.exec.push(path),
                _ => return wrong(own.get("exec").unwrap_or(own), "`exec` must name files of the skill"),
            }
        }
        Ok(())
    }

    /// What the Agent Skills rules say against it, in sentences: for a skill in a folder of that name, if known.
    pub fn breaks(&self, folder: Option<&str>) -> Vec<String> {
        let mut breaks = Vec::new();
        match &self.name {
            None => breaks.push("there is no `name`".to_owned()),
            Some(name) => {
                if let Some(why) = bad_name(name) {
                    breaks.push(format!("the name `{name}` {why}"));
                } else if let Some(folder) = folder.filter(|folder| folder != name) {
                    breaks.push(format!("the name `{name}` is not that of its folder, `{folder}`"));
                }
            }
        }
        match self.description.as_deref().map(str::trim) {
            None | Some("") => breaks.push("there is no `description`".to_owned()),
            Some(text) if text.chars().count() > 1024 => {
                breaks.push("the `description` is longer than 1024 characters".to_owned());
            }
            Some(_) => {}
        }
        breaks
    }
}

/// Why a name breaks the Agent Skills rule: 1 to 64 of a-z, 0-9 and single hyphens inside.
pub fn bad_name(name: &str) -> Option<&'static str> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match name {
        "" => Some("is empty"),
        _ if name.len() > 64 => Some("is longer than 64 characters"),
        _ if !plain => Some("has other characters than a-z, 0-9 and hyphens"),
        _ if name.starts_with('-') || name.ends_with('-') => Some("starts or ends with a hyphen"),
        _ if name.contains("--") => Some("has two hyphens in a row"),
        _ => None,
    }
}

fn wrong<T>(node: &Node, what: &str) -> Result<T, YamlError> {
    Err(YamlError { line: node.line, what: what.to_owned() })
}

/// A text, or nothing.
fn text(node: &Node, key: &str) -> Result<Option<String>, YamlError> {
    match node.get(key) {
        Some(value) if matches!(value.value, Value::Scalar { .. }) => Ok(value.as_str().map(str::to_owned)),
        Some(value) => wrong(value, &format!("`{key}` must be text")),
        None => Ok(None),
    }
}

/// A list of texts, or one text with commas.
fn words(node: &Node, key: &str) -> Result<Vec<String>, YamlError> {
    let Some(value) = node.get(key) else { return Ok(Vec::new()) };
    let bad = || YamlError { line: value.line, what: format!("`{key}` must be a list of words") };
    match value.as_list() {
        Some(items) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(bad)).collect(),
        None if value.is_map() => Err(bad()),
        None => {
            let text = value.as_str().unwrap_or_default();
            Ok(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "---\nname: weather\ndescription: Tells the weather\nversion: 1.0\nurl: https://example.com\n\
        metadata:\n  openclaw:\n    always: true\n    os: linux, darwin\n    requires:\n      bins: [curl, jq]\n\
        \x20     env: [WEATHER_KEY]\n    envVars:\n      - name: CITY\n        required: true\n      - UNITS\n\
        \x20   install:\n      - kind: brew\n        formula: jq\n  weft:\n    exec: [scripts/run.sh]\n\
        \x20   hosts: [api.example.com]\n---\n# Weather\n";

    #[test]
    fn the_fields_are_read() {
        let manifest = Manifest::parse(FULL).unwrap();
        assert_eq!(manifest.name.as_deref(), Some("weather"));
        assert_eq!(manifest.version.as_deref(), Some("1.0"));
        assert_eq!(manifest.homepage.as_deref(), Some("https://example.com"));
        assert!(manifest.always);
        assert_eq!(manifest.os, ["linux", "darwin"]);
        assert_eq!(
            (manifest.bins, manifest.env),
            (vec!["curl".into(), "jq".into()], vec!["WEATHER_KEY".into()])
        );
        assert_eq!(manifest.env_vars[0], EnvVar { name: "CITY".into(), required: true });
        assert_eq!(manifest.env_vars[1].name, "UNITS");
        assert_eq!(manifest.installs[0].package, "jq");
        assert_eq!(manifest.exec[0].as_str(), "scripts/run.sh");
        assert_eq!(manifest.hosts, ["api.example.com"]);
        assert_eq!(Manifest::parse(&FULL.replace('\n', "\r\n")).unwrap().bins.len(), 2);
    }

    #[test]
    fn metadata_may_be_a_json_text() {
        let text =
            "---\nname: a\nmetadata: '{\"clawdbot\": {\"requires\": {\"bins\": [\"gh\",],},},}'\n---\n";
        assert_eq!(Manifest::parse(text).unwrap().bins, ["gh"]);
        let text = "---\nname: a\nmetadata: {\"clawdbot\":{\"emoji\":\"x\",\"os\":[\"linux\"]}}\n---\n";
        assert_eq!(Manifest::parse(text).unwrap().os, ["linux"]);
    }

    #[test]
    fn no_frontmatter_is_no_manifest() {
        for text in
            ["", "# Title", "---\nname: a\n", " ---\nname: a\n---\n", "----\nname: a\n---\n", "---\n---\n"]
        {
            assert_eq!(Manifest::parse(text).unwrap(), Manifest::default(), "{text}");
        }
    }

    #[test]
    fn mistakes_say_their_line() {
        for (text, says) in [
            ("---\nname: a\ndescription: b: c\n---\n", "line 3: not YAML"),
            ("---\nname: [a]\n---\n", "line 2: `name` must be text"),
            ("---\nname: a\nname: b\n---\n", "line 3: `name` is there twice"),
            ("---\n- a\n---\n", "line 2: the frontmatter must be"),
            (
                "---\nmetadata:\n  openclaw:\n    requires:\n      bins: {a: b}\n---\n",
                "line 5: `bins` must be",
            ),
            ("---\nmetadata:\n  weft:\n    exec: [../x]\n---\n", "line 4: `exec`"),
            ("---\nmetadata:\n  openclaw:\n    always: often\n---\n", "line 4: `always`"),
        ] {
            let error = Manifest::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(says), "{text}: {error}");
        }
        let long = format!("---\nname: {}\n---\n", "x".repeat(LONGEST));
        assert!(Manifest::parse(&long).unwrap_err().what.contains("longer"));
    }

    #[test]
    fn the_naming_rule() {
        for good in ["a", "a-b", "a1-2b", &"x".repeat(64)] {
            assert_eq!(bad_name(good), None, "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a--b", "ä", "a b", &"x".repeat(65)] {
            assert!(bad_name(bad).is_some(), "{bad}");
        }
        let manifest = Manifest::parse(FULL).unwrap();
        assert!(manifest.breaks(Some("weather")).is_empty());
        assert_eq!(manifest.breaks(Some("other")).len(), 1);
        assert_eq!(Manifest::default().breaks(None).len(), 2);
    }
}
