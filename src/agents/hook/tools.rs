//! Tools that agent programs bring with them, and what each does. Data: name, effect, the arguments that say on what.

/// What a tool does with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads what these name.
    Read(&'static [&'static str]),
    /// Reads in the folder that these name; without one in the current folder.
    Look(&'static [&'static str]),
    /// Makes, changes or removes what these name.
    Write(&'static [&'static str]),
    /// A command line for a shell.
    Shell(&'static [&'static str]),
    /// Paths in a patch as Codex writes it.
    Patch(&'static [&'static str]),
    /// A URL.
    Fetch(&'static [&'static str]),
    /// Nothing outside the program and its own service.
    Own,
}

const FILE: &[&str] = &[
    "file_path",
    "path",
    "absolute_path",
    "notebook_path",
    "target_file",
    "filePath",
    "relative_workspace_path",
    "paths",
    "file",
];
const FOLDER: &[&str] = &["path", "dir_path", "target_directory", "target_directories", "directory"];
const COMMAND: &[&str] = &["command", "cmd", "script", "chars"];

/// Names are the programs' own; where two mean different things by one name the stricter effect stands.
const TOOLS: &[(&str, Effect)] = &[
    // Claude Code
    ("Read", Effect::Read(FILE)),
    ("NotebookRead", Effect::Read(FILE)),
    ("Write", Effect::Write(FILE)),
    ("Edit", Effect::Write(FILE)),
    ("MultiEdit", Effect::Write(FILE)),
    ("NotebookEdit", Effect::Write(FILE)),
    ("Glob", Effect::Look(FOLDER)),
    ("Grep", Effect::Look(FOLDER)),
    ("LS", Effect::Look(FOLDER)),
    ("Bash", Effect::Shell(COMMAND)),
    ("BashOutput", Effect::Own),
    ("KillShell", Effect::Own),
    ("TaskOutput", Effect::Own),
    ("WebFetch", Effect::Fetch(&["url"])),
    ("WebSearch", Effect::Own),
    ("Task", Effect::Own),
    ("Agent", Effect::Own),
    ("TodoWrite", Effect::Own),
    ("AskUserQuestion", Effect::Own),
    ("EnterPlanMode", Effect::Own),
    ("ExitPlanMode", Effect::Own),
    // Codex
    ("shell", Effect::Shell(COMMAND)),
    ("local_shell", Effect::Shell(COMMAND)),
    ("exec_command", Effect::Shell(COMMAND)),
    ("apply_patch", Effect::Patch(&["command", "input", "patch"])),
    ("view_image", Effect::Read(FILE)),
    ("update_plan", Effect::Own),
    // Gemini CLI
    ("read_file", Effect::Read(FILE)),
    ("read_many_files", Effect::Read(&["paths", "include"])),
    ("write_file", Effect::Write(FILE)),
    ("replace", Effect::Write(FILE)),
    ("list_directory", Effect::Look(FOLDER)),
    ("glob", Effect::Look(FOLDER)),
    ("search_file_content", Effect::Look(FOLDER)),
    ("grep_search", Effect::Look(FOLDER)),
    ("run_shell_command", Effect::Shell(COMMAND)),
    ("write_todos", Effect::Own),
    ("google_web_search", Effect::Own),
    // Cursor
    ("Shell", Effect::Shell(COMMAND)),
    ("StrReplace", Effect::Write(FILE)),
    ("Delete", Effect::Write(FILE)),
    ("EditNotebook", Effect::Write(FILE)),
    ("TabRead", Effect::Read(FILE)),
    ("TabWrite", Effect::Write(FILE)),
    // OpenClaw
    ("read", Effect::Read(FILE)),
    ("write", Effect::Write(FILE)),
    ("edit", Effect::Write(FILE)),
    ("exec", Effect::Shell(COMMAND)),
    ("bash", Effect::Shell(COMMAND)),
    ("web_fetch", Effect::Fetch(&["url"])),
    ("session_status", Effect::Own),
];

/// What the tool of this name does, if it is one that weft knows.
pub fn effect(name: &str) -> Option<Effect> {
    TOOLS.iter().find(|(known, _)| *known == name).map(|(_, effect)| *effect)
}
