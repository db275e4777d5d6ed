//! The policies that weft ships, by name.

/// One of `policies/*.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    pub name: &'static str,
    pub text: &'static str,
}

impl Builtin {
    /// The first line of the file, which says what the policy is for.
    pub fn purpose(&self) -> &'static str {
        self.text.lines().next().unwrap_or("").trim_start_matches(['#', ' '])
    }
}

macro_rules! builtins {
    ($($name:literal),* $(,)?) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("../../policies/", $name, ".toml")) }),*]
    };
}

pub const ALL: &[Builtin] = builtins![
    "base",
    "readonly",
    "coding-agent",
    "network-agent",
    "skill",
    "claude-code",
    "codex",
    "openclaw",
    "python-tool",
    "node-tool",
    "mcp-server",
];

pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|builtin| builtin.name == name)
}

pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|builtin| builtin.name).collect()
}
