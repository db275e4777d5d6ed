//! What a file or a fenced block is written in: by name, by ending, by its first bytes. Reads no files and parses nothing.

mod guess;

use crate::rules::{Lang, Place};
pub use guess::{guess, looks_like_command};

/// What a file is and what it is written in. `path` may be a display path (`a.zip!/x/run.sh`); `head` is the start
/// of its text and decides only where the name says nothing.
///
/// Markdown is `(Prose, Unknown)`, plain text `(Prose, Text)`.
pub fn classify(path: &str, head: &str) -> (Place, Lang) {
    by_path(path).unwrap_or_else(|| by_head(head))
}

/// What the name of a file says it is, if it says so: text of a kind that a reader, an agent or an interpreter takes.
pub fn by_path(path: &str) -> Option<(Place, Lang)> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    // Endings that say "an example of": what counts is the ending before.
    let mut name = name.as_str();
    for _ in 0..3 {
        match TEMPLATE_ENDINGS.iter().find_map(|e| name.strip_suffix(e)) {
            Some(rest) if !rest.is_empty() => name = rest,
            _ => break,
        }
    }
    by_name(name).or_else(|| by_extension(name.rsplit_once('.')?.1))
}

const TEMPLATE_ENDINGS: [&str; 12] = [
    ".example",
    ".sample",
    ".template",
    ".tmpl",
    ".tpl",
    ".j2",
    ".dist",
    ".bak",
    ".orig",
    ".old",
    ".disabled",
    ".erb",
];

const MARKDOWN: (Place, Lang) = (Place::Prose, Lang::Unknown);

fn by_name(name: &str) -> Option<(Place, Lang)> {
    let ini = (Place::Config, Lang::Ini);
    Some(match name {
        "dockerfile" | "containerfile" => (Place::Script, Lang::Dockerfile),
        "makefile" | "gnumakefile" | "justfile" | ".justfile" => (Place::Script, Lang::Make),
        "gemfile" | "rakefile" | "vagrantfile" | "podfile" | "brewfile" | "fastfile" => {
            (Place::Script, Lang::Ruby)
        }
        "jenkinsfile" => (Place::Script, Lang::Compiled),
        ".bashrc" | ".bash_profile" | ".bash_login" | ".bash_logout" | ".bash_aliases" | ".profile"
        | ".zshrc" | ".zprofile" | ".zshenv" | ".zlogin" | ".envrc" | ".xinitrc" | ".kshrc" | "pkgbuild"
        | "crontab" | "configure" | "gradlew" | "mvnw" => (Place::Script, Lang::Shell),
        // Git and husky hooks.
        "pre-commit" | "post-commit" | "pre-push" | "commit-msg" | "post-checkout" | "post-merge"
        | "prepare-commit-msg" => (Place::Script, Lang::Shell),
        "sconstruct" | "sconscript" | "wscript" => (Place::Script, Lang::Python),
        ".cursorrules" | ".windsurfrules" | ".clinerules" | ".goosehints" | ".roorules" | "readme"
        | "skill" | "agents" | "claude" | "soul" | "memory" | "changelog" | "contributing" | "prompt" => {
            MARKDOWN
        }
        "license" | "licence" | "copying" | "notice" | "authors" => (Place::Prose, Lang::Text),
        ".npmrc" | ".yarnrc" | ".pypirc" | ".netrc" | ".gitconfig" | ".gitmodules" | ".editorconfig"
        | ".wgetrc" | ".curlrc" | ".condarc" | ".flake8" | ".pylintrc" | ".coveragerc" | "pip.conf"
        | "config" => ini,
        "pipfile" | "cargo.lock" | "poetry.lock" | "uv.lock" | "pdm.lock" => (Place::Config, Lang::Toml),
        "yarn.lock" | ".clang-format" | ".clangd" => (Place::Config, Lang::Yaml),
        ".babelrc" | ".eslintrc" | ".prettierrc" | ".swcrc" | ".jshintrc" | "pipfile.lock"
        | "composer.lock" | "flake.lock" => (Place::Config, Lang::Json),
        "requirements.txt" | "constraints.txt" | "go.mod" | "go.sum" | "procfile" | ".gitignore"
        | ".dockerignore" | ".npmignore" | ".gitattributes" | ".tool-versions" | ".nvmrc" | "codeowners"
        | "cmakelists.txt" | "hosts" => (Place::Config, Lang::Text),
        // Written for language models, not for people.
        "llms.txt" | "llms-full.txt" => MARKDOWN,
        _ if name.starts_with("dockerfile.") => (Place::Script, Lang::Dockerfile),
        _ if name.starts_with("requirements") && name.ends_with(".txt") => (Place::Config, Lang::Text),
        _ if name == ".env" || name.starts_with(".env.") || name.ends_with(".env") => ini,
        _ => return None,
    })
}

fn by_extension(extension: &str) -> Option<(Place, Lang)> {
    use Lang::{
        AppleScript, Batch, Compiled, Css, Dockerfile, Go, Html, Ini, JavaScript, Json, Lua, Make, Perl, Php,
        PowerShell, Python, Ruby, Rust, Shell, Sql, Text, Toml, Unknown, Yaml,
    };
    use Place::{Config, Prose, Script};
    Some(match extension {
        "md" | "markdown" | "mdown" | "mkd" | "mdx" | "mdc" | "qmd" | "rmd" | "prompt" | "instructions" => {
            MARKDOWN
        }
        "txt" | "text" | "rst" | "adoc" | "asciidoc" | "org" | "tex" | "textile" | "wiki" | "srt" | "vtt" => {
            (Prose, Text)
        }
        "html" | "htm" | "xhtml" | "hta" | "mhtml" => (Prose, Html),
        "sh" | "bash" | "zsh" | "ksh" | "fish" | "csh" | "tcsh" | "dash" | "bats" | "command" | "awk"
        | "sed" | "ebuild" | "install" => (Script, Shell),
        "ps1" | "psm1" | "psd1" | "ps1xml" => (Script, PowerShell),
        "bat" | "cmd" => (Script, Batch),
        "vbs" | "vbe" | "wsf" | "wsh" | "ahk" | "au3" | "nim" | "nu" | "r" | "jl" | "ex" | "exs" | "erl"
        | "hs" | "clj" | "cljs" | "ml" | "el" | "lisp" | "scm" | "rkt" | "tcl" | "vim" | "pas" | "vb"
        | "bas" | "f90" | "m4" | "asm" | "s" => (Script, Unknown),
        "py" | "pyw" | "pyi" | "pyx" | "pth" | "bzl" | "star" => (Script, Python),
        "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" | "vue" | "svelte" | "astro" | "gs"
        | "es6" | "jse" => (Script, JavaScript),
        "rb" | "gemspec" | "rake" | "podspec" => (Script, Ruby),
        "pl" | "pm" | "t" => (Script, Perl),
        "php" | "phtml" | "php5" | "phar" | "inc" => (Script, Php),
        "go" => (Script, Go),
        "rs" => (Script, Rust),
        "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "m" | "mm" | "java" | "cs" | "csx"
        | "kt" | "kts" | "swift" | "scala" | "sbt" | "groovy" | "gradle" | "dart" | "sol" | "zig" | "d"
        | "fs" | "fsx" | "v" | "cu" | "metal" => (Script, Compiled),
        "lua" | "luau" => (Script, Lua),
        "applescript" | "scpt" | "jxa" => (Script, AppleScript),
        "sql" => (Script, Sql),
        "css" | "scss" | "sass" | "less" => (Script, Css),
        "dockerfile" | "containerfile" => (Script, Dockerfile),
        "mk" | "mak" | "make" | "just" => (Script, Make),
        "json" | "json5" | "jsonc" | "jsonl" | "ndjson" | "geojson" | "webmanifest" | "har" | "ipynb"
        | "map" | "code-workspace" | "jsonld" | "avsc" => (Config, Json),
        "yml" | "yaml" | "cff" => (Config, Yaml),
        "toml" => (Config, Toml),
        "ini" | "cfg" | "cnf" | "conf" | "config" | "properties" | "desktop" | "service" | "timer"
        | "socket" | "reg" | "inf" | "url" | "webloc" | "rc" | "prefs" | "env" => (Config, Ini),
        "xml" | "plist" | "xsl" | "xslt" | "xsd" | "svg" | "csproj" | "props" | "targets" | "pom" | "rss"
        | "atom" | "nuspec" | "manifest" => (Config, Html),
        "csv" | "tsv" | "log" | "lock" | "sum" | "pem" | "crt" | "key" | "diff" | "patch" => (Config, Text),
        "tf" | "tfvars" | "hcl" | "nix" | "proto" | "graphql" | "gql" | "prisma" | "cue" | "dhall"
        | "rego" | "bicep" | "cmake" => (Config, Unknown),
        _ => return None,
    })
}

/// For names that say nothing: the shebang line, or what the first bytes look like.
fn by_head(head: &str) -> (Place, Lang) {
    let head = head.trim_start_matches('\u{feff}');
    if let Some(line) = head.strip_prefix("#!") {
        return (Place::Script, shebang(line.lines().next().unwrap_or("")));
    }
    let start = head.trim_start();
    let lower: String = start.chars().take(64).collect::<String>().to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return (Place::Prose, Lang::Html);
    }
    if lower.starts_with("<?php") {
        return (Place::Script, Lang::Php);
    }
    if lower.starts_with("<?xml") || lower.starts_with("<svg") {
        return (Place::Config, Lang::Html);
    }
    if lower.starts_with("{\"")
        || lower.starts_with("[{")
        || lower.starts_with("[\"")
        || starts_json_object(start)
    {
        return (Place::Config, Lang::Json);
    }
    MARKDOWN
}

fn starts_json_object(start: &str) -> bool {
    start.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'))
}

/// The interpreter of a `#!` line (without the `#!`), through `env` and its flags.
fn shebang(line: &str) -> Lang {
    let mut words = line.split_ascii_whitespace().map(|w| w.rsplit('/').next().unwrap_or(w));
    let mut program = words.next().unwrap_or("");
    if program == "env" {
        program = words.find(|w| !w.starts_with('-') && !w.contains('=')).unwrap_or("");
    }
    interpreter(program)
}

/// The language that a program runs: `python3.12` runs Python. `Unknown` for programs that run none.
pub fn interpreter(program: &str) -> Lang {
    let program = program.to_ascii_lowercase();
    let program = program.strip_suffix(".exe").unwrap_or(&program);
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match stem {
        "sh" | "bash" | "zsh" | "dash" | "ksh" | "fish" | "ash" | "csh" | "tcsh" | "busybox" | "awk"
        | "gawk" | "bats" => Lang::Shell,
        "python" | "pypy" | "ipython" | "pythonw" | "uv" | "uvx" => Lang::Python,
        "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" => Lang::JavaScript,
        "ruby" | "irb" => Lang::Ruby,
        "perl" => Lang::Perl,
        "php" => Lang::Php,
        "pwsh" | "powershell" => Lang::PowerShell,
        "cmd" => Lang::Batch,
        "lua" | "luajit" => Lang::Lua,
        "osascript" => Lang::AppleScript,
        "make" | "just" => Lang::Make,
        _ => Lang::Unknown,
    }
}

/// The language a fence's info string names: ```` ```bash title="x" ````, ```` ```{.python} ````.
pub fn fence_lang(info: &str) -> Lang {
    let word = info
        .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '{' | '.' | '='))
        .split(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | ':' | ';' | '(' | '"'))
        .next()
        .unwrap_or("")
        .to_ascii_lowercase();
    match word.as_str() {
        "bash" | "sh" | "shell" | "zsh" | "console" | "shellsession" | "shell-session" | "terminal"
        | "sh-session" | "bash-session" | "fish" | "ksh" | "command" | "commandline" | "cmdline" | "cli"
        | "shellscript" | "unix" | "linux" | "macos" | "prompt" => Lang::Shell,
        "powershell" | "ps" | "ps1" | "pwsh" | "posh" => Lang::PowerShell,
        "bat" | "batch" | "cmd" | "dos" | "dosbatch" => Lang::Batch,
        "python" | "py" | "python3" | "py3" | "pycon" | "ipython" | "python2" | "pyi" => Lang::Python,
        "javascript" | "js" | "ts" | "typescript" | "jsx" | "tsx" | "node" | "nodejs" | "mjs" | "cjs"
        | "ecmascript" | "vue" | "svelte" | "deno" => Lang::JavaScript,
        "ruby" | "rb" => Lang::Ruby,
        "perl" | "pl" => Lang::Perl,
        "php" => Lang::Php,
        "go" | "golang" => Lang::Go,
        "rust" | "rs" => Lang::Rust,
        "c" | "cpp" | "c++" | "cxx" | "h" | "objc" | "objective-c" | "java" | "csharp" | "cs" | "c#"
        | "kotlin" | "kt" | "swift" | "scala" | "groovy" | "gradle" | "dart" | "solidity" | "zig"
        | "fsharp" => Lang::Compiled,
        "lua" => Lang::Lua,
        "applescript" | "osascript" => Lang::AppleScript,
        "sql" | "mysql" | "postgres" | "postgresql" | "plpgsql" | "sqlite" | "psql" => Lang::Sql,
        "html" | "xml" | "svg" | "xhtml" | "plist" => Lang::Html,
        "css" | "scss" | "sass" | "less" => Lang::Css,
        "json" | "jsonc" | "json5" | "jsonl" | "ndjson" => Lang::Json,
        "yaml" | "yml" => Lang::Yaml,
        "toml" => Lang::Toml,
        "ini" | "env" | "dotenv" | "properties" | "conf" | "cfg" | "config" | "systemd" => Lang::Ini,
        "dockerfile" | "docker" | "containerfile" => Lang::Dockerfile,
        "make" | "makefile" | "mk" => Lang::Make,
        "text" | "txt" | "plain" | "plaintext" | "markdown" | "md" | "output" | "log" => Lang::Text,
        _ => Lang::Unknown,
    }
}

/// Does `column` (a byte offset in `line`) stand in a comment of the language? Line comments and the inside of
/// block comments that start their lines with `*`; cheap, for weighing context only.
pub fn in_comment(line: &str, column: usize, lang: Lang) -> bool {
    let before = line.as_bytes().get(..column).unwrap_or(line.as_bytes());
    let trimmed = line.trim_start();
    let (marks, block): (&[&str], bool) = match lang {
        Lang::Shell
        | Lang::Python
        | Lang::Ruby
        | Lang::Perl
        | Lang::Yaml
        | Lang::Toml
        | Lang::Dockerfile
        | Lang::Make
        | Lang::PowerShell => (&["#"], false),
        Lang::JavaScript | Lang::Go | Lang::Rust | Lang::Compiled => (&["//"], true),
        Lang::Php => (&["//", "#"], true),
        Lang::Css => (&[], true),
        Lang::Sql | Lang::Lua | Lang::AppleScript => (&["--"], false),
        Lang::Ini => (&["#", ";"], false),
        Lang::Batch => {
            let upper = trimmed.get(..4).unwrap_or("").to_ascii_uppercase();
            return upper == "REM " || trimmed.starts_with("::");
        }
        Lang::Unknown | Lang::Text | Lang::Html | Lang::Json => return false,
    };
    if block && (trimmed.starts_with("/*") || trimmed.starts_with("* ") || trimmed == "*") {
        return true;
    }
    let mut quote = None;
    let mut i = 0;
    while i < before.len() {
        let b = before[i];
        match quote {
            Some(_) if b == b'\\' => i += 1,
            Some(q) if b == q => quote = None,
            Some(_) => {}
            None if matches!(b, b'"' | b'\'' | b'`') => quote = Some(b),
            None => {
                let starts = marks.iter().any(|m| line.as_bytes()[i..].starts_with(m.as_bytes()));
                // `#` within a word (`$#`, `a#b`) and `//` of an address are none.
                let free = i == 0
                    || before[i - 1].is_ascii_whitespace()
                    || (b == b'/' && before[i - 1] != b':')
                    || before[i - 1] == b';';
                if starts && free {
                    return true;
                }
            }
        }
        i += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_name_ending_and_head() {
        let cases = [
            ("a/SKILL.md", "", Place::Prose, Lang::Unknown),
            ("notes.txt", "", Place::Prose, Lang::Text),
            ("requirements-dev.txt", "", Place::Config, Lang::Text),
            ("x.zip!/scripts/Run.SH", "", Place::Script, Lang::Shell),
            ("setup.sh.example", "", Place::Script, Lang::Shell),
            (".mcp.json", "", Place::Config, Lang::Json),
            (".env.local", "", Place::Config, Lang::Ini),
            ("Dockerfile", "", Place::Script, Lang::Dockerfile),
            ("Dockerfile.dev", "", Place::Script, Lang::Dockerfile),
            ("hook", "#!/usr/bin/env -S python3.12 -u\n", Place::Script, Lang::Python),
            ("hook", "#!/bin/bash\n", Place::Script, Lang::Shell),
            ("data", "{ \"a\": 1}", Place::Config, Lang::Json),
            ("page", "\u{feff}<!DOCTYPE html>", Place::Prose, Lang::Html),
            (".cursorrules", "", Place::Prose, Lang::Unknown),
            ("noext", "hello", Place::Prose, Lang::Unknown),
        ];
        for (path, head, place, lang) in cases {
            assert_eq!(classify(path, head), (place, lang), "{path}");
        }
    }

    #[test]
    fn fences_name_their_language() {
        assert_eq!(fence_lang("bash title=\"x\""), Lang::Shell);
        assert_eq!(fence_lang("{.python .numberLines}"), Lang::Python);
        assert_eq!(fence_lang("TypeScript"), Lang::JavaScript);
        assert_eq!(fence_lang(""), Lang::Unknown);
    }

    #[test]
    fn comments_are_told_from_code() {
        let at = |line: &str, what: &str| line.find(what).unwrap();
        let line = "x = 1  # rm -rf /";
        assert!(in_comment(line, at(line, "rm"), Lang::Python));
        let line = "x = '# rm -rf /'";
        assert!(!in_comment(line, at(line, "rm"), Lang::Python));
        let line = "fetch(u) // https://x.y/z";
        assert!(in_comment(line, at(line, "x.y"), Lang::JavaScript));
        let line = "curl https://x.y/z";
        assert!(!in_comment(line, at(line, "x.y"), Lang::JavaScript));
        assert!(in_comment("  * sends all", 8, Lang::Compiled));
        assert!(in_comment("rem del", 5, Lang::Batch));
        assert!(!in_comment("echo $#arg", 9, Lang::Shell));
    }
}
