//! What code without a name looks written in, from the words its first lines start with. A guess, never a parse.

use super::shebang;
use crate::rules::Lang;

/// The language a block of code without an info string looks like, from its first lines.
pub fn guess(code: &str) -> Lang {
    let mut first = true;
    let mut yaml = 0;
    for line in code.lines().map(str::trim_start).filter(|l| !l.is_empty()).take(8) {
        // Quoted blocks keep their marks.
        let line = line.trim_start_matches(['>', ' ']);
        if first {
            if let Some(rest) = line.strip_prefix("#!") {
                return shebang(rest);
            }
            if line.starts_with('{') || line.starts_with("[{") || line.starts_with("[\"") {
                return Lang::Json;
            }
            if line.starts_with('<') && line.contains('>') {
                return Lang::Html;
            }
            first = false;
        }
        if let Some(lang) = guess_line(line) {
            return lang;
        }
        yaml += usize::from(looks_like_yaml(line));
    }
    if yaml >= 2 { Lang::Yaml } else { Lang::Unknown }
}

fn guess_line(line: &str) -> Option<Lang> {
    let first = line.as_bytes().first().copied();
    let starts =
        |words: &[&str]| words.iter().any(|w| w.as_bytes().first().copied() == first && line.starts_with(w));
    if starts(&["$ ", "% ", "❯ ", "➜ "]) {
        return Some(Lang::Shell);
    }
    if starts(&[
        "PS C:\\",
        "PS> ",
        "$env:",
        "Get-",
        "Set-",
        "Invoke-",
        "New-Object",
        "Start-Process",
        "iwr ",
        "irm ",
        "Write-Host",
    ]) {
        return Some(Lang::PowerShell);
    }
    if starts(&["@echo off", "REM ", "C:\\>", "set /p"]) {
        return Some(Lang::Batch);
    }
    if starts(&[">>> ", "def ", "from ", "print(", "async def ", "@app.", "elif ", "except"])
        && (!line.starts_with("from ") || line.contains(" import "))
    {
        return Some(Lang::Python);
    }
    if starts(&["import "]) {
        let js = line.contains(" from ") || line["import ".len()..].starts_with(['{', '"', '\'', '*']);
        let other = line.ends_with(';') && !js;
        return Some(if js {
            Lang::JavaScript
        } else if other {
            Lang::Compiled
        } else {
            Lang::Python
        });
    }
    if starts(&[
        "const ",
        "let ",
        "var ",
        "function ",
        "export ",
        "await ",
        "console.",
        "require(",
        "module.exports",
        "async function",
    ]) {
        // `export X=y` is a shell's.
        let shell = line
            .strip_prefix("export ")
            .is_some_and(|r| r.split_once('=').is_some_and(|(k, _)| !k.contains(' ')));
        return Some(if shell { Lang::Shell } else { Lang::JavaScript });
    }
    if starts(&[
        "SELECT ",
        "INSERT INTO",
        "CREATE TABLE",
        "UPDATE ",
        "DELETE FROM",
        "DROP TABLE",
        "ALTER TABLE",
    ]) {
        return Some(Lang::Sql);
    }
    if starts(&["FROM ", "RUN ", "ENTRYPOINT ", "CMD ["]) {
        return Some(Lang::Dockerfile);
    }
    if starts(&["tell application", "do shell script", "display dialog"]) {
        return Some(Lang::AppleScript);
    }
    if starts(&["package main", "func main"]) {
        return Some(Lang::Go);
    }
    if starts(&["fn main", "use std::", "pub fn "]) {
        return Some(Lang::Rust);
    }
    if starts(&["public class ", "#include", "using System"]) {
        return Some(Lang::Compiled);
    }
    looks_like_command(line).then_some(Lang::Shell)
}

/// `key: value` or `key:`, as YAML writes it.
fn looks_like_yaml(line: &str) -> bool {
    let line = line.trim_start_matches("- ");
    line.split_once(':').is_some_and(|(key, value)| {
        !key.is_empty()
            && key.len() <= 40
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            && (value.is_empty() || value.starts_with(' '))
    })
}

/// Programs that a line of shell in documentation starts with. Sorted.
const COMMANDS: [&str; 84] = [
    "apt",
    "apt-get",
    "aws",
    "az",
    "base64",
    "bash",
    "brew",
    "bun",
    "bunx",
    "cargo",
    "cat",
    "cd",
    "chmod",
    "chown",
    "claude",
    "clawhub",
    "cp",
    "crontab",
    "curl",
    "deno",
    "dnf",
    "docker",
    "docker-compose",
    "echo",
    "env",
    "eval",
    "exec",
    "export",
    "find",
    "flyctl",
    "gcloud",
    "gem",
    "gh",
    "git",
    "go",
    "grep",
    "gunzip",
    "helm",
    "jq",
    "kubectl",
    "launchctl",
    "ln",
    "ls",
    "make",
    "mkdir",
    "mv",
    "nc",
    "ncat",
    "node",
    "nohup",
    "npm",
    "npx",
    "openclaw",
    "openssl",
    "osascript",
    "pacman",
    "pip",
    "pip3",
    "pipx",
    "pnpm",
    "printf",
    "python",
    "python3",
    "rm",
    "rsync",
    "scp",
    "sed",
    "sh",
    "source",
    "ssh",
    "sudo",
    "systemctl",
    "tar",
    "tee",
    "terraform",
    "touch",
    "unzip",
    "uv",
    "uvx",
    "wget",
    "xargs",
    "xattr",
    "yarn",
    "zsh",
];

/// Does the line start with a program that documentation shows in a shell?
pub fn looks_like_command(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("./") || line.starts_with("~/") {
        return true;
    }
    let word = line.split(|c: char| c.is_whitespace() || c == ';').next().unwrap_or("");
    let rest = &line[word.len()..];
    // A sentence may start with "find" or "make" too; a command that stands alone or has an argument in command form does not.
    let sentence = rest.trim_start().starts_with(|c: char| c.is_alphabetic())
        && matches!(word, "find" | "make" | "go" | "touch" | "source" | "cat" | "echo" | "env" | "tee")
        && (rest.ends_with('.') || rest.split_whitespace().count() > 8);
    !sentence && COMMANDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_code_is_guessed() {
        assert_eq!(guess("# install\nnpm install -g x\n"), Lang::Shell);
        assert_eq!(guess("$ whoami"), Lang::Shell);
        assert_eq!(guess("import os\nos.system('x')"), Lang::Python);
        assert_eq!(guess("import fs from 'fs'"), Lang::JavaScript);
        assert_eq!(guess("{\n \"a\": 1}"), Lang::Json);
        assert_eq!(guess("name: x\non: push\n"), Lang::Yaml);
        assert_eq!(guess("iwr https://a.b/c.ps1 | iex"), Lang::PowerShell);
        assert_eq!(guess("Some words here."), Lang::Unknown);
    }

    #[test]
    fn commands_are_sorted() {
        assert!(COMMANDS.is_sorted());
        assert!(looks_like_command("curl -s x"));
        assert!(!looks_like_command("Curling is fun"));
    }
}
