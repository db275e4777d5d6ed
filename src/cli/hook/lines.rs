//! What changes in a text, as `diff -u` shows it: for settings, where all that changes is one piece. Not for texts with many
//! changes far apart: what is between the first and the last is shown whole.

/// Lines around the change.
const AROUND: usize = 3;

/// The change with a few lines around it; empty when there is none.
pub fn changed(name: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    if same == old.len() && same == new.len() {
        return String::new();
    }
    let (rest_old, rest_new) = (&old[same..], &new[same..]);
    let tail = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (&rest_old[..rest_old.len() - tail], &rest_new[..rest_new.len() - tail]);
    let before = &old[same.saturating_sub(AROUND)..same];
    let after = &rest_old[rest_old.len() - tail..][..tail.min(AROUND)];
    let start = same - before.len();
    let count = |changed: &[&str]| before.len() + changed.len() + after.len();
    let at = |count: usize| if count == 0 { start } else { start + 1 };
    let (a, b) = (count(gone), count(come));
    let mut out = format!("--- {name}\n+++ {name}\n@@ -{},{a} +{},{b} @@\n", at(a), at(b));
    for (sign, lines) in [(' ', before), ('-', gone), ('+', come), (' ', after)] {
        for line in lines {
            out.push(sign);
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_is_shown_with_what_is_around_it() {
        assert_eq!(changed("x", "a\nb\n", "a\nb\n"), "");
        assert_eq!(changed("x", "", "a\n"), "--- x\n+++ x\n@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(
            changed("x", "1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\nnew\n5\n6\n"),
            "--- x\n+++ x\n@@ -2,5 +2,6 @@\n 2\n 3\n 4\n+new\n 5\n 6\n"
        );
        assert_eq!(changed("x", "a\n", "b\n"), "--- x\n+++ x\n@@ -1,1 +1,1 @@\n-a\n+b\n");
        assert_eq!(changed("x", "a\na\n", "a\n"), "--- x\n+++ x\n@@ -1,2 +1,1 @@\n a\n-a\n");
    }
}
