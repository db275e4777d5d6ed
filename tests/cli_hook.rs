//! `weft hook` with what agent programs send, and their settings.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use std::process::Command;
use weft::json::{Node, parse};

const POLICY: &str = r#"version = 1
agent = "tester"
extends = ["base"]
[filesystem]
write = ["${WORKSPACE}"]
protect = ["${WORKSPACE}/.git/hooks"]
deny = ["${WORKSPACE}/.env", "~/.ssh"]
[network]
allow = [{ host = "*.example.com" }]
[process]
deny = ["curl"]
[tools]
deny = ["*delete*"]
[audit]
file = "${STATE}/hook.jsonl"
"#;

/// The folder is the workspace; home and log stand beside it.
struct Place {
    dir: Dir,
    home: Dir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: Dir::new(), home: Dir::new() };
        place.dir.file("weft.toml", POLICY);
        place.dir.file(".env", "SECRET=1");
        place.dir.file("src/main.rs", "");
        place
    }

    fn weft(&self, args: &[&str], input: &[u8]) -> Said {
        let home = self.home.0.to_string_lossy().into_owned();
        let env = [("HOME", home.as_str()), ("XDG_STATE_HOME", &home), ("CLAUDE_PROJECT_DIR", "")];
        let env = if args.contains(&"claude-code") { &env[..2] } else { &env[..] };
        self.dir.weft_with(args, input, env)
    }

    fn hook(&self, client: &str, input: &[u8]) -> Said {
        self.weft(&["hook", "run", "--client", client], input)
    }

    /// Asks about a tool in the client's own words; the reason if it is refused.
    fn ask(&self, client: &str, tool: &str, input: &str) -> Option<String> {
        let cwd = self.dir.0.display();
        let message = match client {
            "gemini" => format!(
                r#"{{"session_id":"s","transcript_path":"/t","cwd":"{cwd}","hook_event_name":"BeforeTool","timestamp":"2026-01-01T00:00:00Z","tool_name":"{tool}","tool_input":{input}}}"#
            ),
            "cursor" => format!(
                r#"{{"conversation_id":"c","generation_id":"g","hook_event_name":"preToolUse","workspace_roots":["{cwd}"],"tool_name":"{tool}","tool_input":{input},"cwd":"{cwd}"}}"#
            ),
            "openclaw" => format!(r#"{{"toolName":"{tool}","params":{input}}}"#),
            _ => format!(
                r#"{{"session_id":"s","transcript_path":"/t","cwd":"{cwd}","permission_mode":"default","hook_event_name":"PreToolUse","tool_name":"{tool}","tool_input":{input},"tool_use_id":"u"}}"#
            ),
        };
        refusal(client, &self.hook(client, message.as_bytes()))
    }
}

/// The reason, if the answer is a refusal as the client documents it; anything else that is not the client's way to go on is a
/// failed test.
fn refusal(client: &str, said: &Said) -> Option<String> {
    assert_eq!((said.code, said.err.as_str(), said.out.lines().count()), (0, "", 1), "{said:?}");
    let answer = parse(&said.out).unwrap();
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    let members = answer.as_object().unwrap().len();
    match client {
        "claude-code" | "codex" => {
            let Some(output) = answer.get("hookSpecificOutput") else {
                assert_eq!(members, 0, "{said:?}");
                return None;
            };
            assert_eq!(text(output, "hookEventName").as_deref(), Some("PreToolUse"));
            assert_eq!(text(output, "permissionDecision").as_deref(), Some("deny"));
            text(output, "permissionDecisionReason").filter(|why| !why.is_empty())
        }
        "gemini" => {
            if members == 0 {
                return None;
            }
            assert_eq!(text(&answer, "decision").as_deref(), Some("deny"));
            text(&answer, "reason")
        }
        "cursor" => match text(&answer, "permission").as_deref() {
            Some("allow") => None,
            Some("deny") => {
                text(&answer, "user_message").filter(|_| text(&answer, "agent_message").is_some())
            }
            other => panic!("{other:?}"),
        },
        _ => {
            if members == 0 {
                return None;
            }
            assert_eq!(answer.get("block").and_then(Node::as_bool), Some(true));
            text(&answer, "blockReason")
        }
    }
}

#[test]
fn each_program_gets_its_decision() {
    let place = Place::new();
    let full = |name: &str| place.dir.0.join(name).display().to_string();
    let path = |key: &str, name: &str| format!(r#"{{"{key}":"{}"}}"#, full(name));
    for (client, tool, input, why) in [
        ("claude-code", "Read", path("file_path", "src/main.rs"), None),
        ("claude-code", "Read", path("file_path", ".env"), Some(".env is denied")),
        ("claude-code", "Read", r#"{"file_path":"/etc/shadow"}"#.into(), Some("/etc/shadow is denied")),
        ("claude-code", "Read", r#"{"file_path":"~/.ssh/id"}"#.into(), Some("is denied")),
        ("claude-code", "Edit", path("file_path", "src/main.rs"), None),
        ("claude-code", "Write", path("file_path", "weft.toml"), Some("is protected")),
        ("claude-code", "Write", path("file_path", ".git/hooks/pre-commit"), Some("is protected")),
        (
            "claude-code",
            "Write",
            r#"{"file_path":"/usr/bin/x","content":"y"}"#.into(),
            Some("does not cover the path"),
        ),
        ("claude-code", "Write", r#"{"content":"y"}"#.into(), Some("says on what")),
        ("claude-code", "Glob", r#"{"pattern":"**/*"}"#.into(), None),
        ("claude-code", "Grep", r#"{"pattern":"x","path":"/root"}"#.into(), Some("no rule of [filesystem]")),
        ("claude-code", "WebFetch", r#"{"url":"https://api.example.com/x","prompt":"p"}"#.into(), None),
        (
            "claude-code",
            "WebFetch",
            r#"{"url":"https://evil.org/","prompt":"p"}"#.into(),
            Some("does not name the host"),
        ),
        ("claude-code", "TodoWrite", r#"{"todos":[]}"#.into(), None),
        ("claude-code", "mcp__fs__read", "{}".into(), Some("tools.allow does not name it")),
        ("codex", "Bash", r#"{"command":"git status"}"#.into(), None),
        ("codex", "Bash", r#"{"command":"curl https://api.example.com"}"#.into(), Some("curl is denied")),
        (
            "codex",
            "apply_patch",
            r#"{"command":"*** Begin Patch\n*** Update File: src/main.rs\n@@\n-a\n+b\n*** End Patch"}"#
                .into(),
            None,
        ),
        (
            "codex",
            "apply_patch",
            r#"{"command":"*** Begin Patch\n*** Add File: src/x\n*** Delete File: .env\n*** End Patch"}"#
                .into(),
            Some(".env is denied"),
        ),
        ("codex", "apply_patch", r#"{"command":"nothing"}"#.into(), Some("names no file")),
        ("gemini", "read_file", r#"{"absolute_path":"src/main.rs"}"#.into(), None),
        ("gemini", "read_many_files", r#"{"paths":["src/main.rs",".env"]}"#.into(), Some(".env is denied")),
        ("gemini", "run_shell_command", r#"{"command":"rm -rf $TARGET"}"#.into(), None),
        ("gemini", "replace", r#"{"file_path":"../outside"}"#.into(), Some("leads nowhere")),
        ("cursor", "Shell", r#"{"command":"ls"}"#.into(), None),
        ("cursor", "Delete", r#"{"path":".env"}"#.into(), Some(".env is denied")),
        ("cursor", "MCP:delete_all", "{}".into(), Some("`*delete*` is denied")),
        ("openclaw", "exec", r#"{"command":"ls -l src"}"#.into(), None),
        (
            "openclaw",
            "write",
            r#"{"path":"/etc/cron.d/x","content":""}"#.into(),
            Some("does not cover the path"),
        ),
        ("openclaw", "message", r#"{"action":"send"}"#.into(), Some("tools.allow does not name it")),
    ] {
        let said = place.ask(client, tool, &input);
        match why {
            None => assert_eq!(said, None, "{client} {tool} {input}"),
            Some(why) => assert!(
                said.as_ref().is_some_and(|said| said.contains(why)),
                "{client} {tool} {input}: {said:?}"
            ),
        }
    }
    let log = std::fs::read_to_string(place.home.0.join("hook.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 30);
    assert!(log.contains("\"action\":\"tool\",\"target\":\"Bash: git\""), "{log}");
}

#[test]
fn command_lines_are_looked_into() {
    let place = Place::new();
    for (command, why) in [
        ("git log --oneline | head -3 && ls", None),
        ("FOO=1 git commit -m 'see https://evil.org for more'", None),
        ("cat src/main.rs > out.txt 2>/dev/null", None),
        ("ls; curl x", Some("curl is denied")),
        ("echo $(curl x)", Some("curl is denied")),
        ("sudo ls", Some("sudo is denied")),
        ("bash -c 'cat .env'", Some(".env is denied")),
        ("cat .env", Some(".env is denied")),
        ("cat < .env", Some(".env is denied")),
        ("tar cf - --file=.env", Some(".env is denied")),
        ("ls -d@.env", Some(".env is denied")),
        ("ls @.env", Some(".env is denied")),
        ("cat ~/.ssh/id_rsa", Some(".ssh is denied")),
        ("cat $HOME/.ssh/id_rsa", Some(".ssh is denied")),
        ("echo x > /etc/cron.d/y", Some("does not cover the path")),
        ("echo x >> .git/hooks/post-commit", Some("is protected")),
        ("git clone https://evil.org/x", Some("does not name the host")),
        ("$SHELL x", Some("cannot be told")),
        ("eval \"$x\"", Some("cannot be told")),
        ("no-such-command-anywhere", Some("no such command")),
        // What agents write every day.
        ("git commit -m \"$(cat <<'EOF'\nFix: don't stop (at once)\n\nSee `x`.\nEOF\n)\"", None),
        ("cat > notes.md <<'EOF'\n# `curl evil` and $(curl evil)\nEOF\nls", None),
        ("for i in $(seq 1 3); do echo $((i * 2)); done", None),
        ("if [[ -f src/main.rs && ! -d out ]]; then ls src/*.rs; fi", None),
        ("find . -name '*.rs' -exec wc -l {} +", None),
        ("ls src/*.rs *.md | sort", None),
        // And what hides behind it.
        ("cat <<EOF\n$(curl x)\nEOF", Some("curl is denied")),
        ("bash <<'EOF'\ncurl x\nEOF", Some("curl is denied")),
        ("cat <<'EOF' | bash\ncurl x\nEOF", Some("cannot be told")),
        ("find . -exec curl x \\;", Some("curl is denied")),
        ("{curl,x}", Some("curl is denied")),
        ("function f { curl x; }; f", Some("curl is denied")),
        ("bash -euo pipefail -c 'curl x'", Some("curl is denied")),
        ("cat .e*", Some(".env is denied")),
        ("cat ./.en?", Some(".env is denied")),
        ("cat ../*/.[d-f]nv", Some(".env is denied")),
        ("cat .e{nv,}", Some(".env is denied")),
    ] {
        let input = format!(
            "{{\"command\":\"{}\"}}",
            command.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
        );
        let said = place.ask("claude-code", "Bash", &input);
        match why {
            None => assert_eq!(said, None, "{command}"),
            Some(why) => assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{command}: {said:?}"),
        }
    }
    place.dir.file("weft.toml", POLICY.replace("deny = [\"curl\"]", "shell = false"));
    let said = place.ask("claude-code", "Bash", r#"{"command":"ls"}"#).unwrap();
    assert!(said.contains("no shell may be executed"), "{said}");
}

#[test]
fn cursor_asks_in_several_ways() {
    let place = Place::new();
    for (message, refused) in [
        (r#"{"hook_event_name":"beforeShellExecution","command":"ls","cwd":""}"#, false),
        (r#"{"hook_event_name":"beforeShellExecution","command":"curl x","cwd":""}"#, true),
        (r#"{"hook_event_name":"beforeShellExecution"}"#, true),
        (r#"{"hook_event_name":"beforeReadFile","file_path":".env","content":"SECRET=1"}"#, true),
        (r#"{"hook_event_name":"beforeReadFile","file_path":"src/main.rs","content":""}"#, false),
        (
            r#"{"hook_event_name":"beforeMCPExecution","tool_name":"delete_x","tool_input":"{}","command":"s"}"#,
            true,
        ),
        (
            r#"{"hook_event_name":"beforeMCPExecution","tool_name":"x","tool_input":"{\"a\":1,\"a\":2}"}"#,
            true,
        ),
    ] {
        assert_eq!(
            refusal("cursor", &place.hook("cursor", message.as_bytes())).is_some(),
            refused,
            "{message}"
        );
    }
}

#[test]
fn what_is_no_message_is_refused_in_the_form_of_the_program() {
    let place = Place::new();
    let deep = format!(
        r#"{{"hook_event_name":"PreToolUse","tool_name":"Read","tool_input":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let large = vec![b' '; 5 * 1024 * 1024];
    for client in ["claude-code", "codex", "gemini", "cursor", "openclaw"] {
        for (input, why) in [
            (&b""[..], "not JSON"),
            (b"{", "not JSON"),
            (b"null", "not a JSON object"),
            (b"{}", "is missing"),
            (b"{\"hook_event_name\":\"\xff\"}", "not UTF-8"),
            (br#"{"tool_name":"Read","tool_name":"Write"}"#, "twice"),
            (br#"{"hook_event_name":"PostToolUse","tool_name":"Read"}"#, ""),
            (deep.as_bytes(), "nested deeper"),
            (&large, "larger than"),
        ] {
            let said = refusal(client, &place.hook(client, input));
            assert!(
                said.as_ref().is_some_and(|said| said.starts_with("weft: ") && said.contains(why)),
                "{client} {why}: {said:?}"
            );
        }
    }
    // So is what is wrong with the policy or its log, and a command line that is wrong.
    let message = br#"{"hook_event_name":"PreToolUse","tool_name":"Glob","tool_input":{}}"#;
    let said = place.weft(&["hook", "run", "--client", "codex", "--policy", "none.toml"], message);
    assert!(refusal("codex", &said).unwrap().contains("no such file"));
    place.dir.file("weft.toml", "version = 1\nx = 1\n");
    assert!(refusal("codex", &place.hook("codex", message)).unwrap().contains("unknown key"));
    place.dir.file("weft.toml", POLICY);
    std::fs::remove_file(place.home.0.join("hook.jsonl")).unwrap();
    std::fs::create_dir(place.home.0.join("hook.jsonl")).unwrap();
    assert!(refusal("codex", &place.hook("codex", message)).unwrap().contains("no log, no answer"));
    place.hook("emacs", message).refused("use claude-code, codex, gemini, cursor or openclaw");
    place.weft(&["hook", "run"], message).refused("--client");
}

#[test]
fn installation_shows_keeps_and_replaces() {
    let place = Place::new();
    for (client, file, event) in [
        ("claude-code", ".claude/settings.json", "PreToolUse"),
        ("codex", ".codex/hooks.json", "PreToolUse"),
        ("gemini", ".gemini/settings.json", "BeforeTool"),
        ("cursor", ".cursor/hooks.json", "beforeShellExecution"),
    ] {
        let path = place.home.0.join(file);
        let install = |more: &[&str]| {
            let args: Vec<&str> =
                ["hook", "install", "--client", client].into_iter().chain(more.iter().copied()).collect();
            place.weft(&args, b"")
        };
        // Shown, and nothing else.
        let said = install(&["--dry-run"]);
        assert!(
            said.code == 0 && said.out.contains("+++ ") && said.out.contains("hook run --client"),
            "{said:?}"
        );
        assert_eq!(install(&[]).code, 1);
        assert!(!path.exists());
        // What was there stays, and its copy too.
        let old = r#"{"model":"m","hooks":{"Stop":[{"hooks":[{"type":"command","command":"x"}]}]}}"#;
        place.home.file(file, old);
        let said = install(&["--policy", "weft.toml", "--yes"]);
        assert!(said.code == 0 && said.err.contains(".weft-1.bak"), "{said:?}");
        assert_eq!(std::fs::read_to_string(format!("{}.weft-1.bak", path.display())).unwrap(), old);
        let new = parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(new.get("model").and_then(Node::as_str), Some("m"));
        assert!(new.get("hooks").unwrap().get("Stop").is_some());
        let groups = new.get("hooks").unwrap().get(event).and_then(Node::as_array).unwrap();
        assert_eq!(groups.len(), 1);
        let command = match client {
            "cursor" => {
                assert_eq!(groups[0].get("failClosed").and_then(Node::as_bool), Some(true));
                groups[0].get("command")
            }
            _ => groups[0].get("hooks").and_then(Node::as_array).unwrap()[0].get("command"),
        };
        // The command works as a shell reads it, from anywhere.
        let command = command.and_then(Node::as_str).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", command])
            .current_dir("/")
            .env("HOME", &place.home.0)
            .env("XDG_STATE_HOME", &place.home.0)
            .env_remove("CLAUDE_PROJECT_DIR")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"{}").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::new(),
        };
        assert!(refusal(client, &said).is_some());
        // Again: nothing to do. With another policy: replaced. Removed: as before.
        assert!(install(&["--policy", "weft.toml", "--yes"]).err.contains("nothing to do"));
        assert_eq!(install(&["--policy", "coding-agent", "--yes"]).code, 0);
        let text = std::fs::read_to_string(&path).unwrap();
        let times = if client == "cursor" { 4 } else { 1 };
        assert!(text.matches("hook run --client").count() == times && !text.contains("weft.toml"), "{text}");
        assert_eq!(install(&["--remove", "--yes"]).code, 0);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hook run") && text.contains("\"Stop\""), "{text}");
    }
}

#[test]
fn settings_that_are_not_understood_are_left_alone() {
    let place = Place::new();
    let args = ["hook", "install", "--client", "claude-code", "--yes"];
    for (text, why) in [
        ("{ // mine\n}", "not JSON"),
        ("[]", "not a JSON object"),
        ("{\"a\":1,\"a\":2}", "twice"),
        ("{\"hooks\":[]}", "no object"),
        ("{\"hooks\":{\"PreToolUse\":{}}}", "is not a list"),
    ] {
        let path = place.home.file(".claude/settings.json", text);
        place.weft(&args, b"").refused(why);
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
    place
        .weft(&["hook", "install", "--client", "codex", "--policy", "none.toml", "--yes"], b"")
        .refused("no such file");
    place
        .weft(&["hook", "install", "--client", "openclaw", "--project"], b"")
        .refused("no settings of a project");
    // A link stays one, and what it points to is changed.
    std::fs::remove_file(place.home.0.join(".claude/settings.json")).unwrap();
    place.home.file("dotfiles/claude.json", "{}");
    std::os::unix::fs::symlink("../dotfiles/claude.json", place.home.0.join(".claude/settings.json"))
        .unwrap();
    assert_eq!(place.weft(&args, b"").code, 0);
    assert!(place.home.read("dotfiles/claude.json").contains("hook run --client claude-code"));
    assert!(place.home.0.join(".claude/settings.json").symlink_metadata().unwrap().is_symlink());
}

/// The plugin as OpenClaw would load it: registered, asked, and obeyed.
#[test]
fn openclaw_gets_a_plugin_that_refuses() {
    let place = Place::new();
    place.home.file(".openclaw/openclaw.json", r#"{"plugins":{"allow":["other"]}}"#);
    let args = ["hook", "install", "--client", "openclaw", "--policy", "weft.toml", "--yes"];
    let said = place.weft(&args, b"");
    assert_eq!(said.code, 0, "{said:?}");
    let config = parse(&place.home.read(".openclaw/openclaw.json")).unwrap();
    let plugins = config.get("plugins").unwrap();
    let folder = place.home.0.join(".openclaw/weft-hook");
    let paths = plugins.get("load").unwrap().get("paths").and_then(Node::as_array).unwrap();
    assert_eq!(paths[0].as_str(), folder.to_str());
    assert_eq!(plugins.get("allow").and_then(Node::as_array).unwrap().len(), 2);
    assert!(
        parse(&place.home.read(".openclaw/weft-hook/openclaw.plugin.json"))
            .unwrap()
            .get("configSchema")
            .is_some()
    );
    assert!(place.weft(&args, b"").err.contains("nothing to do"));
    if Command::new("node").arg("--version").output().is_err() {
        println!("SKIPPED: node is not installed; the plugin for OpenClaw was not run");
        return;
    }
    let script = format!(
        "const plugin = (await import('{}/index.js')).default; let hook;\
         plugin.register({{ on: (name, handler) => {{ if (name === 'before_tool_call') hook = handler; }} }});\
         for (const [toolName, params] of [['read', {{ path: 'src/main.rs' }}], ['read', {{ path: '.env' }}], ['nothing', {{}}]])\
         console.log(JSON.stringify(await hook({{ toolName, params }}) ?? null));",
        folder.display()
    );
    let run = |script: &str| {
        let output = Command::new("node")
            .args(["--input-type=module", "-e", script])
            .current_dir(&place.dir.0)
            .env("HOME", &place.home.0)
            .env("XDG_STATE_HOME", &place.home.0)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
    };
    let said = run(&script);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "null"), "{said}");
    assert!(lines[1].contains("\"block\":true") && lines[1].contains(".env is denied"), "{said}");
    assert!(lines[2].contains("\"block\":true"), "{said}");
    // With weft gone there is no decision, so nothing goes on.
    let index = folder.join("index.js");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replace(env!("CARGO_BIN_EXE_weft"), "/nowhere/weft")).unwrap();
    assert_eq!(run(&script).matches("no decision, so none to go on").count(), 3);
    assert_eq!(place.weft(&["hook", "install", "--client", "openclaw", "--remove", "--yes"], b"").code, 0);
    assert!(!place.home.read(".openclaw/openclaw.json").contains("weft"));
}
