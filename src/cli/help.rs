//! Help as people read it, from what the argh structs declare: usage, what it does, arguments, options, examples.

use argh::{CommandInfoWithArgs, FlagInfoKind, Optionality};

/// Columns of the left half; longer names push their text to a line of its own.
const LEFT: usize = 26;
const WIDTH: usize = 90;

/// The command that `path` leads to, or the last one on the way that exists.
pub fn find<'a>(top: &'a CommandInfoWithArgs, path: &[String]) -> &'a CommandInfoWithArgs {
    path.iter().fold(top, |command, name| {
        command.commands.iter().find(|sub| sub.name == name).map_or(command, |sub| &sub.command)
    })
}

/// The help text of the command.
pub fn render(top: &CommandInfoWithArgs, path: &[String]) -> String {
    let command = find(top, path);
    let name = ["weft"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    paragraph(&mut out, command.description);
    out.push_str(&format!("\nUsage: {name}"));
    if command.flags.iter().any(|flag| !flag.hidden) {
        out.push_str(" [OPTIONS]");
    }
    for positional in command.positionals {
        out.push_str(&match positional.optionality {
            Optionality::Required => format!(" {}", positional.name),
            Optionality::Optional => format!(" [{}]", positional.name),
            Optionality::Repeating | Optionality::Greedy => format!(" {}…", positional.name),
        });
    }
    if !command.commands.is_empty() {
        out.push_str(" COMMAND");
    }
    out.push('\n');
    section(
        &mut out,
        "Commands",
        command.commands.iter().map(|sub| (sub.name.to_owned(), sub.command.description)),
    );
    section(&mut out, "Arguments", command.positionals.iter().map(|p| (p.name.to_owned(), p.description)));
    // Help comes first in what argh declares; people look for it last.
    let (help, others): (Vec<_>, Vec<_>) =
        command.flags.iter().filter(|flag| !flag.hidden).partition(|flag| flag.long == "--help");
    section(
        &mut out,
        "Options",
        others.into_iter().chain(help).map(|flag| {
            let short = match flag.short {
                Some(short) => format!("-{short}, "),
                None if flag.long == "--help" => "-h, ".to_owned(),
                None => "    ".to_owned(),
            };
            let value = match flag.kind {
                FlagInfoKind::Option { arg_name } => format!(" {arg_name}"),
                FlagInfoKind::Switch => String::new(),
            };
            (format!("{short}{}{value}", flag.long), flag.description)
        }),
    );
    if !command.examples.is_empty() {
        out.push_str("\nExamples:\n");
        for example in command.examples {
            for line in example.lines() {
                out.push_str(&format!("  {}\n", line.replace("{command_name}", &name)));
            }
        }
    }
    for note in command.notes {
        out.push('\n');
        paragraph(&mut out, &unescaped(note));
    }
    if !command.error_codes.is_empty() {
        out.push_str("\nExit codes:\n");
        for code in command.error_codes {
            out.push_str(&format!("  {} {}\n", code.code, code.description));
        }
    }
    out
}

fn section<'a>(out: &mut String, title: &str, rows: impl Iterator<Item = (String, &'a str)>) {
    for (index, (left, text)) in rows.enumerate() {
        if index == 0 {
            out.push_str(&format!("\n{title}:\n"));
        }
        out.push_str("  ");
        out.push_str(&left);
        let mut column = 2 + left.chars().count();
        if column > LEFT - 2 {
            out.push('\n');
            column = 0;
        }
        for line in wrap(&unescaped(text), WIDTH - LEFT) {
            out.push_str(&" ".repeat(LEFT - column));
            out.push_str(&line);
            out.push('\n');
            column = 0;
        }
    }
}

/// A description as it was written: argh doubles the braces of what it declares.
pub fn unescaped(description: &str) -> String {
    description.replace("{{", "{").replace("}}", "}")
}

fn paragraph(out: &mut String, text: &str) {
    for line in wrap(text, WIDTH) {
        out.push_str(&line);
        out.push('\n');
    }
}

pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
