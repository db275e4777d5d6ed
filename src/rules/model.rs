//! What a rule is: the vocabulary shared by the scanner, its reports and the files under `rules/`.
//!
//! Used by the crate and by `build.rs`, which turns the built-in rules into a static table, so that start-up parses
//! nothing. Rules that a user brings become the same type.

/// How bad a finding is if it is true. Ordered: `Info < Low < … < Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The lower-case word used in rule files, on the command line and in every output format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    pub fn parse(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// How sure the rule is that a match means what its message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    Low,
    Medium,
    High,
}

impl Confidence {
    pub const ALL: [Confidence; 3] = [Confidence::Low, Confidence::Medium, Confidence::High];

    pub const fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }

    pub fn parse(word: &str) -> Option<Confidence> {
        Confidence::ALL.into_iter().find(|c| c.as_str() == word)
    }
}

/// Who wants to see a finding: everyone, those who want every doubt, or an auditor who wants raw signals too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Persona {
    Regular,
    Pedantic,
    Auditor,
}

impl Persona {
    pub const ALL: [Persona; 3] = [Persona::Regular, Persona::Pedantic, Persona::Auditor];

    pub const fn as_str(self) -> &'static str {
        match self {
            Persona::Regular => "regular",
            Persona::Pedantic => "pedantic",
            Persona::Auditor => "auditor",
        }
    }

    pub fn parse(word: &str) -> Option<Persona> {
        Persona::ALL.into_iter().find(|p| p.as_str() == word)
    }
}

/// The ten audit categories. The two letters start every rule id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    PromptInjection,
    ExfiltrationUrl,
    CredentialLiteral,
    PermissionEscalation,
    UnsafeShell,
    SupplyChainRisk,
    DenialOfService,
    IndirectPromptInjection,
    InformationDisclosure,
    CrossAgentAccess,
}

impl Category {
    pub const ALL: [Category; 10] = [
        Category::PromptInjection,
        Category::ExfiltrationUrl,
        Category::CredentialLiteral,
        Category::PermissionEscalation,
        Category::UnsafeShell,
        Category::SupplyChainRisk,
        Category::DenialOfService,
        Category::IndirectPromptInjection,
        Category::InformationDisclosure,
        Category::CrossAgentAccess,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Category::PromptInjection => "PromptInjection",
            Category::ExfiltrationUrl => "ExfiltrationUrl",
            Category::CredentialLiteral => "CredentialLiteral",
            Category::PermissionEscalation => "PermissionEscalation",
            Category::UnsafeShell => "UnsafeShell",
            Category::SupplyChainRisk => "SupplyChainRisk",
            Category::DenialOfService => "DenialOfService",
            Category::IndirectPromptInjection => "IndirectPromptInjection",
            Category::InformationDisclosure => "InformationDisclosure",
            Category::CrossAgentAccess => "CrossAgentAccess",
        }
    }

    /// Two letters, the prefix of the category's rule ids.
    pub const fn code(self) -> &'static str {
        match self {
            Category::PromptInjection => "PI",
            Category::ExfiltrationUrl => "EX",
            Category::CredentialLiteral => "CL",
            Category::PermissionEscalation => "PE",
            Category::UnsafeShell => "US",
            Category::SupplyChainRisk => "SC",
            Category::DenialOfService => "DS",
            Category::IndirectPromptInjection => "IP",
            Category::InformationDisclosure => "ID",
            Category::CrossAgentAccess => "CA",
        }
    }

    /// The name of the category's file of built-in rules, without `.toml`.
    pub const fn file(self) -> &'static str {
        match self {
            Category::PromptInjection => "prompt_injection",
            Category::ExfiltrationUrl => "exfiltration_url",
            Category::CredentialLiteral => "credential_literal",
            Category::PermissionEscalation => "permission_escalation",
            Category::UnsafeShell => "unsafe_shell",
            Category::SupplyChainRisk => "supply_chain_risk",
            Category::DenialOfService => "denial_of_service",
            Category::IndirectPromptInjection => "indirect_prompt_injection",
            Category::InformationDisclosure => "information_disclosure",
            Category::CrossAgentAccess => "cross_agent_access",
        }
    }

    /// Accepts the full name or the two letters, in any case.
    pub fn parse(word: &str) -> Option<Category> {
        Category::ALL
            .into_iter()
            .find(|c| c.as_str().eq_ignore_ascii_case(word) || c.code().eq_ignore_ascii_case(word))
    }
}

/// Where in a file a piece of text stands: what kind of reader, person, agent or machine, will act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// YAML between the `---` lines that open a Markdown file.
    Frontmatter,
    /// Text meant for a reader or an agent: Markdown outside fences, plain text.
    Prose,
    /// A fenced or indented code block, or an inline code span, in Markdown.
    Fence,
    /// A program file.
    Script,
    /// JSON, TOML, YAML, INI, XML and other data that configures something.
    Config,
    /// What a rendered page hides: HTML comments, hidden elements, image alt text and titles.
    Hidden,
}

impl Place {
    pub const ALL: [Place; 6] =
        [Place::Frontmatter, Place::Prose, Place::Fence, Place::Script, Place::Config, Place::Hidden];

    pub const fn as_str(self) -> &'static str {
        match self {
            Place::Frontmatter => "frontmatter",
            Place::Prose => "prose",
            Place::Fence => "fence",
            Place::Script => "script",
            Place::Config => "config",
            Place::Hidden => "hidden",
        }
    }

    pub fn parse(word: &str) -> Option<Place> {
        Place::ALL.into_iter().find(|p| p.as_str() == word)
    }

    /// This place's bit in [`Scope::places`].
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The language of a script or of a fenced block, as far as rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lang {
    /// Not said, or not one of the others.
    Unknown,
    Shell,
    PowerShell,
    Batch,
    Python,
    /// JavaScript and TypeScript.
    JavaScript,
    Ruby,
    Perl,
    Php,
    Go,
    Rust,
    /// C, C++, Objective-C, Java, C#, Kotlin, Swift: compiled and curly.
    Compiled,
    Lua,
    AppleScript,
    Sql,
    Html,
    Css,
    Json,
    Yaml,
    Toml,
    Ini,
    Dockerfile,
    Make,
    Text,
}

impl Lang {
    pub const ALL: [Lang; 24] = [
        Lang::Unknown,
        Lang::Shell,
        Lang::PowerShell,
        Lang::Batch,
        Lang::Python,
        Lang::JavaScript,
        Lang::Ruby,
        Lang::Perl,
        Lang::Php,
        Lang::Go,
        Lang::Rust,
        Lang::Compiled,
        Lang::Lua,
        Lang::AppleScript,
        Lang::Sql,
        Lang::Html,
        Lang::Css,
        Lang::Json,
        Lang::Yaml,
        Lang::Toml,
        Lang::Ini,
        Lang::Dockerfile,
        Lang::Make,
        Lang::Text,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Lang::Unknown => "unknown",
            Lang::Shell => "shell",
            Lang::PowerShell => "powershell",
            Lang::Batch => "batch",
            Lang::Python => "python",
            Lang::JavaScript => "javascript",
            Lang::Ruby => "ruby",
            Lang::Perl => "perl",
            Lang::Php => "php",
            Lang::Go => "go",
            Lang::Rust => "rust",
            Lang::Compiled => "compiled",
            Lang::Lua => "lua",
            Lang::AppleScript => "applescript",
            Lang::Sql => "sql",
            Lang::Html => "html",
            Lang::Css => "css",
            Lang::Json => "json",
            Lang::Yaml => "yaml",
            Lang::Toml => "toml",
            Lang::Ini => "ini",
            Lang::Dockerfile => "dockerfile",
            Lang::Make => "make",
            Lang::Text => "text",
        }
    }

    pub fn parse(word: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|l| l.as_str() == word)
    }

    /// This language's bit in [`Scope::langs`].
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Where a rule applies: the places, and within `fence` and `script` the languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Bits of [`Place::bit`].
    pub places: u8,
    /// Bits of [`Lang::bit`]; looked at only in fences and scripts.
    pub langs: u32,
}

impl Scope {
    pub const ANY: Scope = Scope { places: 0xff, langs: u32::MAX };

    /// Does a rule with this scope look at text in `place` written in `lang`?
    pub const fn covers(self, place: Place, lang: Lang) -> bool {
        self.places & place.bit() != 0
            && (!matches!(place, Place::Fence | Place::Script) || self.langs & lang.bit() != 0)
    }
}

/// A literal of a built-in rule, and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Its number in the built-in table.
    pub literal: u16,
    /// How many bytes behind the start of a match it stands at least.
    pub least: u8,
    /// And at most; [`Lead::ANYWHERE`]: no one knows.
    pub most: u8,
    /// The branches of the pattern, a bit each.
    pub branches: u64,
    /// [`Lead::BEFORE`] and [`Lead::AFTER`]: no byte of a word stands there, next to the literal.
    pub edges: u8,
}

impl Lead {
    pub const ANYWHERE: u8 = u8::MAX;
    pub const BEFORE: u8 = 1;
    pub const AFTER: u8 = 2;
}

/// How a rule finds its match once one of its literals was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// The literal itself is the match.
    Literal,
    /// A pattern in regex-lite's syntax, run on the window (the line) around the literal. Empty for a built-in rule, whose
    /// program stands for it: `rules::pattern_of` has the text.
    Regex(&'static str),
    /// A hand-written matcher in `scan::matchers`, by name: for rules whose regex would be slow or cannot say it.
    Native(&'static str),
    /// Raised by code in `scan::checks`; the engine never looks for it.
    Check,
}

/// What text that forbids, documents or detects an attack does to a match of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The match is shown two steps lower and does not count as a signal.
    Demote,
    /// The match counts wherever it stands (a real key is a leak in any sentence).
    Keep,
}

impl Context {
    pub fn parse(word: &str) -> Option<Context> {
        match word {
            "demote" => Some(Context::Demote),
            "keep" => Some(Context::Keep),
            _ => None,
        }
    }
}

/// One rule. All text is `'static`: built-in rules live in the binary, a user's rules live as long as the process.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `EX-001`: two letters of the category and three digits. User rules may use any letters.
    pub id: &'static str,
    /// Kebab-case, unique: `tunnel-url`.
    pub name: &'static str,
    pub category: Category,
    pub severity: Severity,
    pub confidence: Confidence,
    pub persona: Persona,
    /// Lower case; a match contains at least one of them, in any ASCII case.
    pub literals: &'static [&'static str],
    /// Lower case; unless empty, the line of a match contains one of these too. Spares the pattern where a literal is
    /// common.
    pub also: &'static [&'static str],
    /// What the line of a match contains besides, derived from the pattern when weft was built: see
    /// `scan::trigrams`. Empty for a user's rule.
    pub needs: &'static [u16],
    /// The same literals by their numbers in the built-in table, which knows the best window of each, and what each leads
    /// to. Empty for a user's rule.
    pub leads: &'static [Lead],
    /// What the pattern was compiled to when weft was built: see `scan::program`. Empty for a user's rule, whose pattern
    /// regex-lite runs.
    pub program: &'static [u8],
    pub matcher: Matcher,
    pub scope: Scope,
    pub context: Context,
    /// What a match says to the combinations ([`Combo`]), for example `secret-read`.
    pub signals: &'static [&'static str],
    /// The match is a secret and is masked in every output.
    pub secret: bool,
    /// What is said of it: see [`Words::get`].
    pub words: Words,
}

/// What is said of a rule or combination. Most scans need little of it, so the built-in ones are kept packed.
#[derive(Clone, Copy, Debug)]
pub enum Words {
    Here(&'static Explanation),
    /// The built-in explanation of this number.
    Packed(u16),
}

#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// One sentence: what was found and why it matters.
    pub message: &'static str,
    /// What the author of the skill, or its user, should do.
    pub remediation: &'static str,
    /// `CWE-…`, `LLM01:2025`, `ASI01`, `T1059` (ATT&CK), `AML.T0051` (ATLAS), URLs.
    pub references: &'static [&'static str],
    /// The first `match` example of the rule file, for `explain`.
    pub example: &'static str,
    /// The first `no_match` example.
    pub counter_example: &'static str,
}

/// How near to each other the parts of a combination must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// Anywhere in the same skill.
    Skill,
    File,
    /// At most this many lines between any two parts, in one file.
    Lines(u32),
}

impl Within {
    /// `skill`, `file` or `lines:N`.
    pub fn parse(word: &str) -> Option<Within> {
        match word {
            "skill" => Some(Within::Skill),
            "file" => Some(Within::File),
            _ => word.strip_prefix("lines:")?.parse().ok().map(Within::Lines),
        }
    }
}

/// Two or more signals that together mean more than each alone.
#[derive(Clone, Copy, Debug)]
pub struct Combo {
    pub id: &'static str,
    pub name: &'static str,
    pub category: Category,
    pub severity: Severity,
    pub confidence: Confidence,
    /// Every entry must be seen, each at a place of its own; an entry is one signal or several joined by `|`.
    pub all: &'static [&'static str],
    /// None of these may be seen within the same reach.
    pub none: &'static [&'static str],
    pub within: Within,
    /// What is said of it.
    pub words: Words,
}

/// A set of rules and combinations to scan with.
#[derive(Clone, Debug)]
pub struct RuleSet {
    pub rules: Vec<&'static Rule>,
    pub combos: Vec<&'static Combo>,
}
