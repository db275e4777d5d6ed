//! One file: bytes to findings and evidence. Pure but for the regexes that are compiled on first use.

use super::checks::Checks;
use super::combine::{Evidence, demote, less_sure};
use super::doc::{Doc, Hit, Layer, Segment};
use super::engine::Engine;
use super::finding::{Decoded, Finding, Skip, SkipReason, Snippet};
use super::ignore::Ignores;
use super::text::TextNote;
use super::window::Window;
use super::work::Work;
use super::{clues, context, decode, lang, magic, padding, segment};
use crate::rules::{Persona, Rule, RuleSet, Severity};
use crate::sort;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Findings of one rule in one file, at most; the last one says how many more there are.
const PER_RULE: usize = 100;

/// The rule about how a file is encoded.
const ENCODING: &str = "hidden-encoding";

/// Characters of a line that a snippet shows around the match, to each side.
const AROUND: usize = 120;

/// Longest part of a match that a snippet shows, in bytes.
const MATCH: usize = 400;

/// Encodings that hide text from a reader (names of `decode`'s chains). The others (a joined line, an argument list) only spell it another way.
pub const HIDING: [&str; 16] = [
    "base64",
    "base32",
    "base85",
    "hex",
    "gzip",
    "zlib",
    "utf-16",
    "xor",
    "affine",
    "woven",
    "char codes",
    "reversed",
    "rot13",
    "unicode tags",
    "variation selectors",
    "zero-width bits",
];

/// What one file gave.
#[derive(Debug, Default)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    pub evidence: Vec<Evidence>,
    pub skips: Vec<Skip>,
    /// Ignore comments of the file, needed again for combinations that stand in it.
    pub ignores: Option<(Arc<str>, Ignores)>,
    pub ignored: u64,
    /// Steps of work beyond the passes that every text gets; see `work`.
    pub steps: u64,
}

/// Where a window stands in its file.
#[derive(Clone, Copy, Debug, Default)]
struct Offset {
    lines: u32,
    bytes: usize,
}

/// What every worker shares.
pub struct Examiner<'r> {
    pub engine: Engine,
    pub checks: Checks,
    pub rules: &'r RuleSet,
    /// Are `weft:ignore` comments honoured? Never in gate mode: there they come with what is judged.
    pub inline_ignores: bool,
    /// Is what could not be scanned a finding?
    pub gate: bool,
}

impl<'r> Examiner<'r> {
    pub fn new(rules: &'r RuleSet, inline_ignores: bool, gate: bool) -> Examiner<'r> {
        Examiner { engine: Engine::new(rules), checks: Checks::new(rules), rules, inline_ignores, gate }
    }

    /// Scans the text of one file.
    pub fn text(&self, path: &Arc<str>, text: String, notes: &[TextNote], out: &mut Outcome) {
        let mut hits = Vec::new();
        let doc = self.find(path, text, &mut hits);
        for note in notes {
            self.text_note(&doc, *note, &mut hits);
        }
        self.judge(&doc, hits, Offset::default(), out);
    }

    /// Scans one window of a very large file; what starts in its context belongs to another window.
    pub fn window(&self, path: &Arc<str>, window: Window, out: &mut Outcome) {
        let mut hits = Vec::new();
        let own = window.own.clone();
        let offset = Offset {
            lines: u32::try_from(window.lines_before).unwrap_or(u32::MAX),
            bytes: usize::try_from(window.offset).unwrap_or(usize::MAX),
        };
        let paddings = padding::find_after(&window.text, window.offset > 0);
        let doc = self.find(path, window.text, &mut hits);
        for padding in paddings {
            self.text_note(&doc, TextNote::Padding(padding), &mut hits);
        }
        hits.retain(|hit| own.contains(&doc.origin(hit).start));
        self.judge(&doc, hits, offset, out);
    }

    /// Scans what reads as text in a file that is not text.
    pub fn strings(&self, path: &Arc<str>, strings: &str, out: &mut Outcome) {
        if !strings.is_empty() {
            self.text(path, strings.to_owned(), &[], out);
        }
    }

    /// Text to document and hits.
    fn find(&self, path: &Arc<str>, text: String, hits: &mut Vec<Hit>) -> Doc {
        let (place, file_lang) = lang::classify(path, head(&text));
        let segments = segment::segment(&text, place, file_lang);
        let mut found = Vec::new();
        let work = Work::for_text(text.len());
        let clues = self.engine.scan(&text, &segments, &work, &mut found);
        let mut doc = Doc::looked_at(path.clone(), text, place, file_lang, segments, clues, work);
        hits.extend(found.drain(..).map(|(rule, range)| Hit { rule, layer: None, range, note: None }));

        let (decoded, bounded) = decode::decode_with(&doc.text, &doc.segments, doc.clues, &doc.work);
        for piece in decoded {
            let at = doc.segment_at(piece.origin.start);
            let layer = Layer {
                place: at.place,
                lang: piece.lang,
                text: piece.text,
                origin: piece.origin,
                chain: piece.chain,
            };
            let whole = Segment { range: 0..layer.text.len(), place: layer.place, lang: layer.lang };
            self.engine.scan(&layer.text, std::slice::from_ref(&whole), &doc.work, &mut found);
            let index = Some(doc.layers.len());
            hits.extend(found.drain(..).map(|(rule, range)| Hit { rule, layer: index, range, note: None }));
            doc.layers.push(layer);
        }
        self.checks.run(&doc, hits);
        if bounded && let Some(rule) = self.checks.rule("decode-limit") {
            hits.push(Hit { rule, layer: None, range: 0..0, note: None });
        }
        self.encoded(&doc, hits);
        doc
    }

    /// What is odd about how a file is written, as a hit where it matters.
    fn text_note(&self, doc: &Doc, note: TextNote, hits: &mut Vec<Hit>) {
        let (name, range, what) = match note {
            TextNote::Padding(padding) => {
                // It stands where the text goes on: that is what was to be hidden.
                let at = padding.offset + padding.len;
                let end = doc.lines().line_range(&doc.text, at).end.max(at);
                let what = match padding.lines {
                    0 => format!("{} blanks stand before this", padding.len),
                    n => format!("{n} blank lines stand before this"),
                };
                ("padding", at..end, what)
            }
            other => match self.encoding_note(other) {
                Some(what) => (ENCODING, 0..0, what),
                None => return,
            },
        };
        if let Some(rule) = self.checks.rule(name) {
            hits.push(Hit { rule, layer: None, range, note: Some(what) });
        }
    }

    /// What is odd about how a whole file is encoded, if that is worth a word.
    fn encoding_note(&self, note: TextNote) -> Option<String> {
        match note {
            TextNote::Padding(_) => None,
            TextNote::NulPadded { count } => Some(format!("{count} zero bytes between the text")),
            TextNote::Utf16WithoutBom => Some("UTF-16 that does not say so".to_owned()),
            TextNote::MixedEncoding => Some("two encodings in one file".to_owned()),
            TextNote::InvalidUtf8 { count } => self.gate.then(|| format!("{count} bytes are not UTF-8")),
        }
    }

    /// How a file that was read in windows is encoded: known when all of it was read.
    pub fn encoding(&self, path: &Arc<str>, notes: &[TextNote], out: &mut Outcome) {
        for what in notes.iter().filter_map(|note| self.encoding_note(*note)) {
            self.note(ENCODING, path, &what, out);
        }
    }

    /// In gate mode, a finding about something that was not looked at.
    pub fn unscanned(
        &self,
        path: &Arc<str>,
        reason: SkipReason,
        kind: Option<&'static str>,
        out: &mut Outcome,
    ) {
        if !self.gate {
            return;
        }
        let name = match kind {
            Some(kind) if reason == SkipReason::Binary && magic::is_executable(kind) => "executable-in-skill",
            _ => skip_rule(reason),
        };
        self.note(name, path, kind.unwrap_or(reason.as_str()), out);
    }

    /// Something that was not looked at: in gate mode a finding, and always counted in the report.
    pub fn skipped(&self, skip: Skip, out: &mut Outcome) {
        self.unscanned(&skip.path, skip.reason, None, out);
        out.skips.push(skip);
    }

    /// A note about a file as a whole, raised by name.
    pub fn note(&self, name: &str, path: &Arc<str>, what: &str, out: &mut Outcome) {
        let Some(rule) = self.checks.rule(name) else { return };
        out.evidence.push(Evidence {
            rule: rule.id,
            signals: rule.signals,
            message: rule.words.get().message.into(),
            path: path.clone(),
            span: Default::default(),
            snippet: Snippet::default(),
        });
        out.findings.push(plain(rule, path, format!("{}: {what}", rule.words.get().message)));
    }

    /// A hit behind a hiding encoding is a second fact beside the hit itself: that it was hidden.
    fn encoded(&self, doc: &Doc, hits: &mut Vec<Hit>) {
        let Some(rule) = self.checks.rule("encoded-payload") else { return };
        let mut seen: HashSet<usize> = HashSet::new();
        let mut extra = Vec::new();
        for hit in hits.iter() {
            let Some(layer) = hit.layer.and_then(|i| doc.layers.get(i).map(|l| (i, l))) else { continue };
            let hidden = layer.1.chain.iter().any(|c| HIDING.contains(c));
            if hidden && hit.rule.severity >= Severity::Medium && seen.insert(layer.0) {
                let shown: String = layer.1.text.chars().filter(|c| !c.is_control()).take(120).collect();
                let note = format!("{} hides \"{shown}\"", layer.1.chain.join(" in "));
                extra.push(Hit { rule, layer: None, range: layer.1.origin.clone(), note: Some(note) });
            }
        }
        hits.append(&mut extra);
    }

    /// Hits to findings and evidence.
    fn judge(&self, doc: &Doc, mut hits: Vec<Hit>, offset: Offset, out: &mut Outcome) {
        let asked = self.inline_ignores && doc.clues.has(clues::IGNORE);
        let ignores = if asked { Ignores::parse(&doc.text) } else { Ignores::default() };
        for line in ignores.incomplete() {
            if let Some(rule) = self.checks.rule("ignore-without-reason") {
                let at = doc.lines().start(line);
                hits.push(Hit {
                    rule,
                    layer: None,
                    range: doc.lines().line_range(&doc.text, at),
                    note: None,
                });
            }
        }
        if hits.is_empty() && !doc.work.is_exceeded() {
            out.steps += doc.work.spent();
            out.ignores = (!ignores.is_empty()).then(|| (doc.path.clone(), ignores));
            return;
        }
        sort::by_key(&mut hits, |h| (doc.origin(h).start, h.layer.is_some(), h.rule.id));
        let secrets: Vec<(Option<usize>, Range<usize>)> =
            hits.iter().filter(|h| h.rule.secret).map(|h| (h.layer, h.range.clone())).collect();
        // (rule, line) pairs already reported: one line says a thing once, and what a decoder spells again is no news.
        let mut seen: HashSet<(&str, u32)> = HashSet::new();
        let mut counts: std::collections::HashMap<&str, usize> = Default::default();
        for hit in &hits {
            let origin = doc.origin(hit);
            let line = doc.lines().line(origin.start);
            if !seen.insert((hit.rule.id, line)) {
                continue;
            }
            if ignores.covers(hit.rule.id, line) || ignores.covers(hit.rule.name, line) {
                out.ignored += 1;
                continue;
            }
            let count = counts.entry(hit.rule.id).or_default();
            *count += 1;
            if *count > PER_RULE {
                continue;
            }
            put(doc, hit, &secrets, offset, out);
        }
        // Last, for weighing the others is work too.
        if doc.work.is_exceeded()
            && let Some(rule) = self.checks.rule("scan-limit")
        {
            put(doc, &Hit { rule, layer: None, range: 0..0, note: None }, &secrets, offset, out);
        }
        out.steps += doc.work.spent();
        for (rule, count) in counts {
            if count > PER_RULE
                && let Some(last) =
                    out.findings.iter_mut().rev().find(|f| f.rule == rule && f.path == doc.path)
            {
                last.message
                    .to_mut()
                    .push_str(&format!(" (and {} more lines of this file)", count - PER_RULE));
            }
        }
        if !ignores.is_empty() {
            out.ignores = Some((doc.path.clone(), ignores));
        }
    }
}

/// A hit as a finding, and as evidence if it stands.
fn put(doc: &Doc, hit: &Hit, secrets: &[(Option<usize>, Range<usize>)], offset: Offset, out: &mut Outcome) {
    let finding = finding(doc, hit, secrets, offset);
    if finding.demoted.is_none() && !hit.rule.signals.is_empty() {
        out.evidence.push(Evidence {
            rule: hit.rule.id,
            signals: hit.rule.signals,
            message: finding.message.clone(),
            path: doc.path.clone(),
            span: finding.span.clone(),
            snippet: finding.snippet.clone(),
        });
    }
    out.findings.push(finding);
}

/// The beginning of a text, enough to tell what it is.
fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

/// The check rule that names a reason for not scanning.
pub const fn skip_rule(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::TooLarge => "oversize-not-scanned",
        SkipReason::Binary => "binary-not-scanned",
        SkipReason::Encrypted => "encrypted-not-scanned",
        SkipReason::ArchiveLimit | SkipReason::ArchiveDamaged | SkipReason::UnsupportedArchive => {
            "archive-not-scanned"
        }
        SkipReason::SymlinkOutside => "symlink-outside",
        SkipReason::BrokenSymlink
        | SkipReason::SymlinkLoop
        | SkipReason::NotRegular
        | SkipReason::PermissionDenied
        | SkipReason::ReadError
        | SkipReason::BuildOrVcsFolder
        | SkipReason::HiddenFolder => "unreadable-not-scanned",
    }
}

/// A finding about a whole file.
pub(super) fn plain(rule: &'static Rule, path: &Arc<str>, message: String) -> Finding {
    let message = message.into();
    Finding {
        rule: rule.id,
        name: rule.name,
        category: rule.category,
        severity: rule.severity,
        confidence: rule.confidence,
        persona: rule.persona,
        message,
        remediation: rule.words.get().remediation,
        path: path.clone(),
        span: super::finding::Span { bytes: 0..0, line: 1, column: 1, end_line: 1, end_column: 1 },
        snippet: Snippet::default(),
        decoded: None,
        demoted: None,
        parts: Vec::new(),
        skill: path.clone(),
        fingerprint: String::new(),
    }
}

fn finding(doc: &Doc, hit: &Hit, secrets: &[(Option<usize>, Range<usize>)], offset: Offset) -> Finding {
    let rule = hit.rule;
    let origin = doc.origin(hit);
    let mut span = doc.lines().span(&doc.text, origin.clone());
    span.line = span.line.saturating_add(offset.lines);
    span.end_line = span.end_line.saturating_add(offset.lines);
    span.bytes = span.bytes.start.saturating_add(offset.bytes)..span.bytes.end.saturating_add(offset.bytes);
    // No snippet reaches further, so what stands further away needs no mask.
    let near = |r: &Range<usize>, to: &Range<usize>| {
        r.end.saturating_add(AROUND + MATCH) >= to.start && r.start <= to.start.saturating_add(2 * MATCH)
    };
    let base: Vec<&Range<usize>> =
        secrets.iter().filter(|(l, r)| l.is_none() && near(r, &origin)).map(|(_, r)| r).collect();
    // A secret behind an encoding is masked in the encoded form too.
    let encoded: Vec<Range<usize>> = secrets
        .iter()
        .filter_map(|(l, _)| l.and_then(|i| doc.layers.get(i)).map(|layer| layer.origin.clone()))
        .filter(|r| near(r, &origin))
        .collect();
    let base: Vec<&Range<usize>> = base.into_iter().chain(&encoded).collect();
    let decoded = hit.layer.and_then(|i| doc.layers.get(i).map(|l| (i, l))).map(|(i, layer)| {
        let inner: Vec<&Range<usize>> =
            secrets.iter().filter(|(l, _)| *l == Some(i)).map(|(_, r)| r).collect();
        Decoded { chain: layer.chain.clone(), snippet: snippet(&layer.text, hit.range.clone(), &inner) }
    });
    let demoted = context::weigh(doc, hit);
    let message = match &hit.note {
        Some(note) => format!("{}: {note}", rule.words.get().message).into(),
        None => rule.words.get().message.into(),
    };
    Finding {
        rule: rule.id,
        name: rule.name,
        category: rule.category,
        severity: if demoted.is_some() { demote(rule.severity) } else { rule.severity },
        confidence: if demoted.is_some() { less_sure(rule.confidence) } else { rule.confidence },
        persona: if demoted.is_some() { rule.persona.max(Persona::Pedantic) } else { rule.persona },
        message,
        remediation: rule.words.get().remediation,
        path: doc.path.clone(),
        span,
        snippet: snippet(&doc.text, origin, &base),
        decoded,
        demoted,
        parts: Vec::new(),
        skill: doc.path.clone(),
        fingerprint: String::new(),
    }
}

/// The line a match starts on, cut around the match, with marks moved to the cut.
pub fn snippet(text: &str, range: Range<usize>, secrets: &[&Range<usize>]) -> Snippet {
    let floor = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let line_start = text[..floor(range.start)].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[floor(range.start)..].find('\n').map_or(text.len(), |i| floor(range.start) + i);
    let line_end =
        if line_end > line_start && text.as_bytes()[line_end - 1] == b'\r' { line_end - 1 } else { line_end };
    let mark_end = range.end.min(line_end).min(range.start + MATCH);
    let from = floor(line_start.max(range.start.saturating_sub(AROUND)));
    let to = floor(line_end.min(mark_end + AROUND));
    let (from, to) = (from.min(to), to);
    let shift = |r: &Range<usize>| {
        let start = floor(r.start.clamp(from, to)) - from;
        let end = floor(r.end.clamp(from, to)) - from;
        start..end.max(start)
    };
    Snippet {
        text: text[from..to].to_owned(),
        mark: shift(&(range.start..mark_end.max(range.start))),
        secrets: secrets.iter().map(|r| shift(r)).filter(|r| !r.is_empty()).collect(),
    }
}
