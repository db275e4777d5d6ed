//! The commands that this build was made without, and the flavour that has them (docs/size.md).

/// Words after the program's name, and the flavour.
const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "client"))]
    ("skill", "edge"),
    #[cfg(not(feature = "server"))]
    ("hub", "default"),
    #[cfg(not(feature = "server"))]
    ("health", "default"),
    #[cfg(not(feature = "review"))]
    ("security audit", "default"),
    #[cfg(not(feature = "review"))]
    ("security harden", "default"),
    #[cfg(not(feature = "review"))]
    ("policy diff", "default"),
    #[cfg(not(feature = "review"))]
    ("policy learn", "default"),
    #[cfg(not(feature = "review"))]
    ("policy tighten", "default"),
];

/// The flavour of weft that has this command of these words, if this build was made without it.
pub fn flavour(path: &[String], word: &str) -> Option<&'static str> {
    let mut words = path.join(" ");
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(word);
    LEFT_OUT.iter().find(|(command, _)| *command == words).map(|(_, flavour)| *flavour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_either_here_or_elsewhere() {
        use argh::ArgsInfo;
        let top = crate::cli::Weft::get_args_info();
        for (path, word) in [
            ("", "skill"),
            ("", "hub"),
            ("", "health"),
            ("security", "audit"),
            ("security", "harden"),
            ("policy", "diff"),
            ("policy", "learn"),
            ("policy", "tighten"),
        ] {
            let path: Vec<String> = path.split_whitespace().map(str::to_owned).collect();
            let here = crate::cli::help::find(&top, &path).commands.iter().any(|sub| sub.name == word);
            assert_ne!(here, flavour(&path, word).is_some(), "{path:?} {word}");
        }
        assert_eq!(flavour(&[], "nothing"), None);
    }
}
