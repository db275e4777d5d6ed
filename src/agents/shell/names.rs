//! Names that mean something to a shell, and programs that start others.

/// Words after which another command begins.
pub const BEFORE_COMMAND: &[&str] =
    &["if", "then", "elif", "else", "while", "until", "do", "!", "{", "coproc"];

/// Words that are commands of the shell and end or structure others.
pub const STRUCTURE: &[&str] = &["fi", "done", "esac", "}", "in"];

/// A command that runs what its arguments say.
pub struct Runner {
    pub name: &'static str,
    /// Its options that have a value as the next word.
    pub values: &'static [&'static str],
    /// How many words of its own come before the command.
    pub skip: usize,
}

const fn runner(name: &'static str, values: &'static [&'static str], skip: usize) -> Runner {
    Runner { name, values, skip }
}

/// `function NAME { … }`
pub static FUNCTION: Runner = runner("function", &[], 1);

pub static RUNNERS: &[Runner] = &[
    runner("env", &["-u", "-C"], 0),
    runner("nohup", &[], 0),
    runner("nice", &["-n"], 0),
    runner("command", &[], 0),
    runner("exec", &["-a"], 0),
    runner("builtin", &[], 0),
    runner("time", &["-f", "-o"], 0),
    runner("sudo", &["-u", "-g", "-p", "-C", "-r", "-t", "-T", "-U", "-R", "-D"], 0),
    runner("doas", &["-u", "-C"], 0),
    runner("pkexec", &["--user"], 0),
    runner("gosu", &[], 1),
    runner("su-exec", &[], 1),
    runner("setpriv", &[], 0),
    runner("xargs", &["-n", "-I", "-P", "-L", "-d", "-E", "-s", "-a"], 0),
    runner("parallel", &["-j", "-a", "-S", "-n", "-N", "-L"], 0),
    runner("timeout", &["-s", "-k"], 1),
    runner("setsid", &[], 0),
    runner("stdbuf", &["-i", "-o", "-e"], 0),
    runner("unbuffer", &[], 0),
    runner("ionice", &["-c", "-n", "-p"], 0),
    runner("chrt", &["-T", "-P", "-D"], 1),
    runner("taskset", &[], 1),
    runner("numactl", &[], 0),
    runner("prlimit", &[], 0),
    runner("watch", &["-n"], 0),
    runner("entr", &[], 0),
    runner("flock", &["-w", "-E"], 1),
    runner("chroot", &[], 1),
    runner("unshare", &[], 0),
    runner("nsenter", &["-t"], 0),
    runner("setarch", &[], 1),
    runner("strace", &["-e", "-o", "-p", "-s", "-u", "-E", "-P"], 0),
    runner("ltrace", &["-e", "-o", "-p", "-s", "-u"], 0),
    runner("systemd-run", &["-p", "-u", "-E"], 0),
    runner("systemd-inhibit", &[], 0),
    runner("dbus-run-session", &[], 0),
    runner("xvfb-run", &["-n", "-s", "-e", "-f", "-p", "-w"], 0),
    runner("fakeroot", &["-l", "-s", "-i", "-b"], 0),
    runner("faketime", &["-f"], 1),
    runner("proxychains", &["-f"], 0),
    runner("proxychains4", &["-f"], 0),
    runner("torsocks", &[], 0),
    runner("busybox", &[], 0),
    runner("toybox", &[], 0),
];

/// Programs whose `-c` or `--command` has a command line as its value.
pub const WITH_TEXT: &[&str] = &["su", "runuser", "script", "flock", "sg", "newgrp"];

/// Commands of the shell itself that start no program.
pub const BUILTINS: &[&str] = &[
    ":",
    ".",
    "[",
    "[[",
    "]]",
    "alias",
    "bg",
    "break",
    "cd",
    "continue",
    "declare",
    "dirs",
    "disown",
    "echo",
    "exit",
    "export",
    "false",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
    "case",
    "for",
    "select",
    "function",
    "if",
    "command",
    "builtin",
    "exec",
    "eval",
    "time",
    "mapfile",
    "readarray",
    "caller",
    "enable",
    "compgen",
    "complete",
];
