//! Combination: signals of one skill that mean more together than alone. Pure; knows nothing of files on disk.

use super::finding::{Finding, Part, Snippet, Span};
use crate::rules::{Combo, Confidence, Persona, Severity, Within};
use crate::sort;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// One observation that may be part of a combination.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub rule: &'static str,
    pub signals: &'static [&'static str],
    pub message: Cow<'static, str>,
    pub path: Arc<str>,
    pub span: Span,
    pub snippet: Snippet,
}

/// How many candidates of one signal are tried within one reach. All within a reach are near enough to each other or
/// nearly so, so a skill that repeats one signal a thousand times neither slows the search nor hides from it.
const CANDIDATES: usize = 24;

/// All combinations that hold among the observations of one skill. `evidence` is sorted by path and line.
pub fn combine(combos: &[&'static Combo], evidence: &[Evidence], skill: &Arc<str>) -> Vec<Finding> {
    let mut by_signal: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, e) in evidence.iter().enumerate() {
        for signal in e.signals {
            by_signal.entry(signal).or_default().push(i);
        }
    }
    let mut out = Vec::new();
    for combo in combos {
        let lists: Vec<Vec<(usize, &'static str)>> =
            combo.all.iter().map(|entry| candidates(entry, &by_signal)).collect();
        if lists.iter().any(Vec::is_empty) {
            continue;
        }
        for chosen in choose(combo, &lists, evidence) {
            if blocked(combo, &chosen, &by_signal, evidence) {
                continue;
            }
            out.push(finding(combo, &chosen, evidence, skill));
        }
    }
    out
}

/// The observations that can fill one entry of `all`, in order, each with the signal it fills it by.
fn candidates(entry: &'static str, by_signal: &HashMap<&str, Vec<usize>>) -> Vec<(usize, &'static str)> {
    let mut list: Vec<(usize, &'static str)> = entry
        .split('|')
        .filter_map(|signal| by_signal.get(signal).map(|v| (signal, v)))
        .flat_map(|(signal, v)| v.iter().map(move |&i| (i, signal)))
        .collect();
    sort::by_key(&mut list, |&(i, _)| i);
    list.dedup_by_key(|&mut (i, _)| i);
    list
}

/// At most one choice per file (or per skill, for combinations that span it).
fn choose(
    combo: &Combo,
    lists: &[Vec<(usize, &'static str)>],
    evidence: &[Evidence],
) -> Vec<Vec<(usize, &'static str)>> {
    let mut found: Vec<Vec<(usize, &'static str)>> = Vec::new();
    match combo.within {
        Within::Skill => {
            let cut: Vec<Vec<_>> =
                lists.iter().map(|l| l.iter().take(CANDIDATES).copied().collect()).collect();
            found.extend(first_fit(combo, &cut, evidence, &mut Vec::new()));
        }
        Within::File | Within::Lines(_) => {
            // Every entry needs a part within reach of a part of the rarest one, so those are the anchors to try.
            let Some(rarest) = lists.iter().min_by_key(|l| l.len()) else { return found };
            let mut done: Option<&Arc<str>> = None;
            for &(anchor, _) in rarest {
                let at = &evidence[anchor];
                if done == Some(&at.path) {
                    continue;
                }
                // Lists are sorted like the evidence, by path and line, so a reach is one slice of each.
                let from = match combo.within {
                    Within::Lines(n) => at.span.line.saturating_sub(n),
                    _ => 0,
                };
                let cut: Vec<Vec<_>> = lists
                    .iter()
                    .map(|l| {
                        let start = l.partition_point(|&(i, _)| {
                            (&evidence[i].path, evidence[i].span.line) < (&at.path, from)
                        });
                        l[start..]
                            .iter()
                            .take_while(|&&(i, _)| near(combo.within, &evidence[i], at))
                            .take(CANDIDATES)
                            .copied()
                            .collect()
                    })
                    .collect();
                let chosen = first_fit(combo, &cut, evidence, &mut Vec::new());
                if chosen.is_some() || combo.within == Within::File {
                    done = Some(&at.path);
                }
                found.extend(chosen);
            }
        }
    }
    found
}

/// Are two observations within the reach of a combination?
fn near(within: Within, a: &Evidence, b: &Evidence) -> bool {
    match within {
        Within::Skill => true,
        Within::File => a.path == b.path,
        Within::Lines(n) => a.path == b.path && a.span.line.abs_diff(b.span.line) <= n,
    }
}

/// Depth-first search for one observation per entry, all different and near enough to each other.
fn first_fit(
    combo: &Combo,
    lists: &[Vec<(usize, &'static str)>],
    evidence: &[Evidence],
    chosen: &mut Vec<(usize, &'static str)>,
) -> Option<Vec<(usize, &'static str)>> {
    let Some(list) = lists.get(chosen.len()) else { return Some(chosen.clone()) };
    for &(i, signal) in list {
        let fits = chosen.iter().all(|&(j, _)| i != j && near(combo.within, &evidence[i], &evidence[j]));
        if !fits {
            continue;
        }
        chosen.push((i, signal));
        if let Some(found) = first_fit(combo, lists, evidence, chosen) {
            return Some(found);
        }
        chosen.pop();
    }
    None
}

/// Is one of the combination's `none` signals seen within the same reach?
fn blocked(
    combo: &Combo,
    chosen: &[(usize, &'static str)],
    by_signal: &HashMap<&str, Vec<usize>>,
    evidence: &[Evidence],
) -> bool {
    combo
        .none
        .iter()
        .filter_map(|signal| by_signal.get(signal))
        .flatten()
        .any(|&i| chosen.iter().any(|&(j, _)| near(combo.within, &evidence[i], &evidence[j])))
}

fn finding(
    combo: &'static Combo,
    chosen: &[(usize, &'static str)],
    evidence: &[Evidence],
    skill: &Arc<str>,
) -> Finding {
    let parts: Vec<Part> = chosen
        .iter()
        .map(|&(i, signal)| {
            let e = &evidence[i];
            Part {
                rule: e.rule,
                signal,
                message: e.message.clone(),
                path: e.path.clone(),
                span: e.span.clone(),
                snippet: e.snippet.clone(),
            }
        })
        .collect();
    // The last entry of `all` is by convention what the others prepare (the archive, the pipe, the send).
    let at = parts.last();
    Finding {
        rule: combo.id,
        name: combo.name,
        category: combo.category,
        severity: combo.severity,
        confidence: combo.confidence,
        persona: Persona::Regular,
        message: combo.words.get().message.into(),
        remediation: combo.words.get().remediation,
        path: at.map_or_else(|| skill.clone(), |p| p.path.clone()),
        span: at.map(|p| p.span.clone()).unwrap_or_default(),
        snippet: at.map(|p| p.snippet.clone()).unwrap_or_default(),
        decoded: None,
        demoted: None,
        parts,
        skill: skill.clone(),
        fingerprint: String::new(),
    }
}

/// Two steps down, for text that describes an attack instead of commanding it.
pub const fn demote(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::Medium,
        Severity::High => Severity::Low,
        _ => Severity::Info,
    }
}

/// One step down in confidence.
pub const fn less_sure(confidence: Confidence) -> Confidence {
    match confidence {
        Confidence::High => Confidence::Medium,
        _ => Confidence::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Category, Explanation, Words};

    static PAIR: Combo = Combo {
        id: "SC-999",
        name: "pair",
        category: Category::SupplyChainRisk,
        severity: Severity::High,
        confidence: Confidence::High,
        all: &["a", "b|c"],
        none: &["never"],
        within: Within::Lines(3),
        words: Words::Here(&Explanation {
            message: "a pair",
            remediation: "",
            references: &[],
            example: "",
            counter_example: "",
        }),
    };

    fn seen(signals: &'static [&'static str], path: &str, line: u32) -> Evidence {
        Evidence {
            rule: "XX-001",
            signals,
            message: Cow::Borrowed(""),
            path: path.into(),
            span: Span { bytes: 0..1, line, column: 1, end_line: line, end_column: 2 },
            snippet: Snippet::default(),
        }
    }

    fn run(evidence: &[Evidence]) -> Vec<Finding> {
        combine(&[&PAIR], evidence, &"skill".into())
    }

    #[test]
    fn parts_must_be_near_and_in_one_file() {
        assert_eq!(run(&[seen(&["a"], "f", 1), seen(&["c"], "f", 4)]).len(), 1);
        assert!(run(&[seen(&["a"], "f", 1), seen(&["c"], "f", 5)]).is_empty());
        assert!(run(&[seen(&["a"], "f", 1), seen(&["c"], "g", 1)]).is_empty());
    }

    #[test]
    fn one_observation_cannot_be_two_parts() {
        assert!(run(&[seen(&["a", "b"], "f", 1)]).is_empty());
        assert_eq!(run(&[seen(&["a", "b"], "f", 1), seen(&["b"], "f", 2)]).len(), 1);
        // The one with both must yield its place to the other order too.
        assert_eq!(run(&[seen(&["a"], "f", 1), seen(&["a", "b"], "f", 2)]).len(), 1);
    }

    #[test]
    fn a_far_first_candidate_does_not_hide_a_near_second() {
        let found = run(&[seen(&["a"], "f", 1), seen(&["a"], "f", 50), seen(&["b"], "f", 51)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].parts[0].span.line, 50);
    }

    #[test]
    fn a_blocking_signal_blocks_only_within_reach() {
        assert!(run(&[seen(&["a"], "f", 1), seen(&["b"], "f", 2), seen(&["never"], "f", 3)]).is_empty());
        assert_eq!(run(&[seen(&["a"], "f", 1), seen(&["b"], "f", 2), seen(&["never"], "f", 30)]).len(), 1);
    }

    #[test]
    fn decoys_do_not_hide_a_pair() {
        let mut evidence: Vec<Evidence> = (0..500).map(|i| seen(&["a"], "f", i * 10)).collect();
        evidence.extend((500..900).map(|i| seen(&["b"], "f", i * 10)));
        assert!(run(&evidence).is_empty());
        evidence.push(seen(&["a"], "f", 9_001));
        evidence.push(seen(&["b"], "f", 9_002));
        assert_eq!(run(&evidence).len(), 1);
    }

    #[test]
    fn each_file_may_have_its_own() {
        let found =
            run(&[seen(&["a"], "f", 1), seen(&["b"], "f", 2), seen(&["a"], "g", 1), seen(&["b"], "g", 2)]);
        assert_eq!(found.len(), 2);
    }
}
