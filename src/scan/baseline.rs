//! Baselines: findings that are known and accepted, so that a scan speaks only of new ones. A file that people review:
//! sorted, one finding a line, no secrets in it. Never honoured in gate mode.

use super::finding::Report;
use crate::json::{Node, ParseError, Writer, parse};
use std::collections::BTreeMap;
use std::io::{self, Write};

pub const SCHEMA: &str = "weft.baseline/1";

/// How many findings of each kind are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// (path, rule, fingerprint) → count; the order is that of the file.
    known: BTreeMap<(String, String, String), u64>,
}

impl Baseline {
    /// Accepts everything in the report.
    pub fn of(report: &Report) -> Baseline {
        let mut known = BTreeMap::new();
        for finding in &report.findings {
            let key = (finding.path.to_string(), finding.rule.to_owned(), finding.fingerprint.clone());
            *known.entry(key).or_insert(0) += 1;
        }
        Baseline { known }
    }

    /// Takes the accepted findings out of the report and counts them. A fingerprint holds the path below the skill;
    /// the path in the file is for people, so that a scan from another folder knows the findings again.
    pub fn apply(&self, report: &mut Report) {
        let mut left: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((_, rule, fingerprint), count) in &self.known {
            let slot = left.entry(rule).or_default().entry(fingerprint).or_default();
            *slot = slot.saturating_add(*count);
        }
        let before = report.findings.len();
        report.findings.retain(|finding| {
            let count =
                left.get_mut(finding.rule).and_then(|known| known.get_mut(finding.fingerprint.as_str()));
            match count {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            }
        });
        report.stats.ignored_baseline += (before - report.findings.len()) as u64;
    }

    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut w = Writer::new(out);
        w.object_lines(|w| {
            w.field("schema", SCHEMA)?;
            w.key("findings")?.array_lines(|w| {
                self.known.iter().try_for_each(|((path, rule, fingerprint), count)| {
                    w.object(|w| {
                        w.field("path", path)?;
                        w.field("rule", rule)?;
                        w.field("fingerprint", fingerprint)?;
                        w.count("count", *count)
                    })
                })
            })
        })?;
        out.write_all(b"\n")
    }

    pub fn parse(text: &str) -> Result<Baseline, ParseError> {
        let root = parse(text)?;
        let wrong = |node: &Node, what: String| ParseError::at(text, node.at, what);
        let schema = root
            .get("schema")
            .ok_or_else(|| wrong(&root, format!("no \"schema\": {SCHEMA:?}: not a baseline")))?;
        if schema.as_str() != Some(SCHEMA) {
            return Err(wrong(schema, format!("unknown schema; this weft reads {SCHEMA:?}")));
        }
        let members = root.as_object().unwrap_or_default();
        if let Some((key, node)) = members.iter().find(|(key, _)| key != "schema" && key != "findings") {
            return Err(wrong(
                node,
                format!("unknown key {key:?}; a baseline has \"schema\" and \"findings\""),
            ));
        }
        let list = root.get("findings").ok_or_else(|| wrong(&root, "no \"findings\"".into()))?;
        let list = list.as_array().ok_or_else(|| wrong(list, "\"findings\" must be a list".into()))?;
        let mut known = BTreeMap::new();
        for item in list {
            let string = |key: &str| {
                let found = item.get(key).and_then(Node::as_str);
                found
                    .map(str::to_owned)
                    .ok_or_else(|| wrong(item, format!("a finding needs {key:?}, a string")))
            };
            let count = match item.get("count") {
                None => 1,
                Some(node) => {
                    node.as_u64().ok_or_else(|| wrong(node, "\"count\" must be a whole number".into()))?
                }
            };
            let slot =
                known.entry((string("path")?, string("rule")?, string("fingerprint")?)).or_insert(0u64);
            *slot = slot.saturating_add(count);
        }
        Ok(Baseline { known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::report::samples;

    fn written(baseline: &Baseline) -> String {
        let mut out = Vec::new();
        baseline.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_takes_the_findings_away() {
        let mut report = samples::report();
        let baseline = Baseline::of(&report);
        let text = written(&baseline);
        assert!(!text.contains(samples::KEY));
        let read = Baseline::parse(&text).unwrap();
        assert_eq!((&read, &written(&read)), (&baseline, &text));
        let (all, before) = (report.findings.len() as u64, report.stats.ignored_baseline);
        report.findings.push(report.findings[0].clone());
        read.apply(&mut report);
        assert_eq!(report.findings.len(), 1, "one more than was accepted");
        assert_eq!(report.stats.ignored_baseline, before + all);
    }

    #[test]
    fn mistakes_have_a_place() {
        let error = |text: &str| Baseline::parse(text).unwrap_err().to_string();
        assert!(error("[]").starts_with("line 1 column 1: no \"schema\""));
        assert!(error("{\"schema\": \"weft.baseline/2\"}").starts_with("line 1 column 12: unknown schema"));
        assert!(
            error("{\"schema\": \"weft.baseline/1\",\n \"findings\": [{}]}")
                .starts_with("line 2 column 15: a finding needs")
        );
        assert!(error("{\"schema\": \"weft.baseline/1\", \"finding\": []}").contains("unknown key"));
        assert!(error("").contains("end of the file"));
    }
}
