//! What changes in a text, as `diff -u` shows it: for settings, policies and lists of tools. Of texts with very many different lines
//! what is between the first and the last change is shown whole.

/// Lines around the change.
const AROUND: usize = 3;
/// So many pairs of lines are compared to find what stayed between changes; a number of 16 bits for each.
const PAIRS: usize = 4 << 20;

/// A line that stays, goes or comes.
type Step<'t> = (char, &'t str);

/// The changes with a few lines around each; empty when there are none.
pub fn changed(name: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    if same == old.len() && same == new.len() {
        return String::new();
    }
    let (rest_old, rest_new) = (&old[same..], &new[same..]);
    let tail = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (&rest_old[..rest_old.len() - tail], &rest_new[..rest_new.len() - tail]);
    let mut steps: Vec<Step> = old[..same].iter().map(|line| (' ', *line)).collect();
    between(gone, come, &mut steps);
    steps.extend(rest_old[rest_old.len() - tail..].iter().map(|line| (' ', *line)));
    format!("--- {name}\n+++ {name}\n{}", hunks(&steps))
}

/// What stays in the middle: the longest sequence of lines that both have.
fn between<'t>(gone: &[&'t str], come: &[&'t str], steps: &mut Vec<Step<'t>>) {
    let wide = come.len() + 1;
    let few = gone.len() < usize::from(u16::MAX) && come.len() < usize::from(u16::MAX);
    if !few || (gone.len() + 1) * wide > PAIRS {
        steps.extend(gone.iter().map(|line| ('-', *line)));
        steps.extend(come.iter().map(|line| ('+', *line)));
        return;
    }
    // How many lines both have from here to the end.
    let mut common = vec![0u16; (gone.len() + 1) * wide];
    for a in (0..gone.len()).rev() {
        for b in (0..come.len()).rev() {
            common[a * wide + b] = match gone[a] == come[b] {
                true => common[(a + 1) * wide + b + 1] + 1,
                false => common[(a + 1) * wide + b].max(common[a * wide + b + 1]),
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < gone.len() || b < come.len() {
        if a < gone.len() && b < come.len() && gone[a] == come[b] {
            steps.push((' ', gone[a]));
            (a, b) = (a + 1, b + 1);
        } else if b == come.len()
            || (a < gone.len() && common[(a + 1) * wide + b] >= common[a * wide + b + 1])
        {
            steps.push(('-', gone[a]));
            a += 1;
        } else {
            steps.push(('+', come[b]));
            b += 1;
        }
    }
}

fn hunks(steps: &[Step]) -> String {
    let mut out = String::new();
    let changes: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].0 != ' ').collect();
    // Changes with few lines between them are one piece.
    for piece in changes.chunk_by(|a, b| b - a <= 2 * AROUND + 1) {
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else { continue };
        let from = first.saturating_sub(AROUND);
        let to = (last + AROUND + 1).min(steps.len());
        let count = |steps: &[Step], other: char| steps.iter().filter(|step| step.0 != other).count();
        let (a, b) = (count(&steps[from..to], '+'), count(&steps[from..to], '-'));
        let at = |before: usize, count: usize| if count == 0 { before } else { before + 1 };
        let (old, new) = (count(&steps[..from], '+'), count(&steps[..from], '-'));
        out.push_str(&format!("@@ -{},{a} +{},{b} @@\n", at(old, a), at(new, b)));
        for (sign, line) in &steps[from..to] {
            out.push(*sign);
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

    #[test]
    fn changes_far_apart_are_two_pieces() {
        let old: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
        let mut new = old.clone();
        new[1] = "two".into();
        new.remove(18);
        let said = changed("x", &old.join("\n"), &new.join("\n"));
        assert_eq!(
            said,
            "--- x\n+++ x\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -16,5 +16,4 @@\n 16\n 17\n 18\n-19\n 20\n"
        );
    }

    #[test]
    fn texts_without_a_line_in_common_are_bounded() {
        let (old, new) = ("a\n".repeat(3000), "b\n".repeat(3000));
        assert_eq!(changed("x", &old, &new).lines().count(), 6003);
    }
}
