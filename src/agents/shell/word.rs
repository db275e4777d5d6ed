//! A word of a command line, with what of it was quoted, and what a shell makes of its braces.

/// More words than this are not made of one.
const MOST: usize = 256;
/// Longer words with braces in them are nothing that a person writes.
const LONGEST: usize = 4096;

/// A word, quotes taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Each character, and whether it was quoted, so that it means only itself.
    chars: Vec<(char, bool)>,
    /// A part of it is known only when it runs.
    pub varies: bool,
    /// It has quotes in it, so that it is one even when it is empty.
    pub quoted: bool,
}

impl Word {
    pub fn push(&mut self, c: char, quoted: bool) {
        self.chars.push((c, quoted));
    }

    /// The value of a variable. Where the home folder is, is known.
    pub fn variable(&mut self, name: &str) {
        if name == "HOME" {
            self.push('~', false);
            return;
        }
        self.varies = true;
        self.push('$', true);
        name.chars().take(64).for_each(|c| self.push(c, true));
    }

    pub fn text(&self) -> String {
        self.chars.iter().map(|(c, _)| c).collect()
    }

    /// Is it this, and nothing of it quoted?
    pub fn is(&self, text: &str) -> bool {
        !self.varies
            && self.chars.iter().all(|(_, quoted)| !quoted)
            && self.chars.iter().map(|(c, _)| *c).eq(text.chars())
    }

    /// Does it stand for the files whose names look like it? `[` alone is a command.
    pub fn is_pattern(&self) -> bool {
        let any = self.chars.iter().any(|(c, quoted)| !quoted && "*?[".contains(*c));
        any && !self.is("[") && !self.is("[[")
    }

    /// The words that it stands for: `{a,b}c` are `ac` and `bc`. Where that is a series (`{1..3}`), a pattern is made of it. None
    /// where they are too many.
    pub fn braces(self) -> Option<Vec<Word>> {
        if !self.chars.contains(&('{', false)) {
            return Some(vec![self]);
        }
        if self.chars.len() > LONGEST {
            return None;
        }
        let mut done = Vec::new();
        let mut open = vec![self];
        while let Some(word) = open.pop() {
            match word.first_brace() {
                None => done.push(word),
                Some(some) => open.extend(some.into_iter().rev()),
            }
            if open.len() + done.len() > MOST {
                return None;
            }
        }
        Some(done)
    }

    /// What the first braces that mean something make of it.
    fn first_brace(&self) -> Option<Vec<Word>> {
        let plain = |at: usize, wanted: char| self.chars.get(at) == Some(&(wanted, false));
        let starts = (0..self.chars.len()).filter(|at| plain(*at, '{'));
        for start in starts {
            let (mut depth, mut cuts, mut end) = (0usize, vec![start], None);
            for at in start + 1..self.chars.len() {
                match self.chars.get(at) {
                    Some(('{', false)) => depth += 1,
                    Some(('}', false)) if depth == 0 => {
                        end = Some(at);
                        break;
                    }
                    Some(('}', false)) => depth -= 1,
                    Some((',', false)) if depth == 0 => cuts.push(at),
                    _ => {}
                }
            }
            let Some(end) = end else { continue };
            let inside = self.chars.get(start + 1..end).unwrap_or_default();
            let is_series = inside.windows(2).any(|two| matches!(two, [('.', false), ('.', false)]));
            if cuts.len() == 1 && !is_series {
                continue;
            }
            let (before, after) = self.chars.split_at_checked(start)?;
            let after = after.get(end - start + 1..).unwrap_or_default();
            let made =
                |middle: &[(char, bool)]| Word { chars: [before, middle, after].concat(), ..self.clone() };
            if cuts.len() == 1 {
                return Some(vec![made(&[('*', false)])]);
            }
            cuts.push(end);
            let pieces = cuts.windows(2).filter_map(|cut| self.chars.get(cut[0] + 1..cut[1]));
            return Some(pieces.map(made).collect());
        }
        None
    }
}
