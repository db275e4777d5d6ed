//! The report for people: grouped by skill, the line with a caret, what it is made of, what to do.

use super::fold::{Block, fold};
use super::secret::{Masker, Shown};
use super::visible::{is_deceptive, push, visible, visible_lines, width};
use super::{RenderOptions, by_severity, plural, skips_by_reason};
use crate::decimal::fixed;
use crate::rules::Severity;
use crate::scan::finding::{Decoded, Finding, Part, Report, Span};
use std::collections::HashSet;
use std::io::{self, Write};

/// Columns left of a snippet: the line number and the bar.
const GUTTER: usize = 8;

pub fn write(report: &Report, options: &RenderOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page {
        masker: Masker::new(report, options.show_secrets),
        paint: Paint { on: options.color },
        options,
        explained: HashSet::new(),
        out,
    };
    // Findings come sorted by skill.
    for group in report.findings.chunk_by(|a, b| a.skill == b.skill) {
        if let Some(first) = group.first() {
            page.heading(&first.skill, group.len())?;
        }
        let folded = fold(group, options.fold && !options.verbose);
        for block in &folded.shown {
            page.finding(block)?;
        }
        page.folded(folded.parts)?;
    }
    if options.quiet { Ok(()) } else { page.totals(report) }
}

/// Wraps text in colours, or does not.
#[derive(Clone, Copy)]
pub struct Paint {
    pub on: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub fn severity(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Critical => "1;97;41",
            Severity::High => "1;31",
            Severity::Medium => "1;33",
            Severity::Low => "1;34",
            Severity::Info => "1;36",
        };
        self.with(code, text)
    }

    fn caret(self, severity: Severity, text: &str) -> String {
        match severity {
            // White on red is for words; a row of carets in it is a bar.
            Severity::Critical => self.with("1;31", text),
            other => self.severity(other, text),
        }
    }
}

struct Page<'a> {
    masker: Masker,
    paint: Paint,
    options: &'a RenderOptions<'a>,
    /// Rules whose remediation was said already.
    explained: HashSet<&'static str>,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn heading(&mut self, skill: &str, count: usize) -> io::Result<()> {
        let name = if skill.is_empty() { "." } else { skill };
        writeln!(
            self.out,
            "{} {}\n",
            self.paint.bold(&no_command(visible(name).into_owned())),
            self.paint.dim(&format!("({})", plural(count, "finding")))
        )
    }

    /// How many findings of the skill were not shown by themselves.
    fn folded(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let (are, parts) = if count == 1 { ("is", "a part") } else { ("are", "parts") };
        let more = plural(count, "more finding");
        writeln!(self.out, "  {more} {are} {parts} of these; --verbose shows all\n")
    }

    /// A finding, and what else was found on its line.
    fn finding(&mut self, block: &Block) -> io::Result<()> {
        let finding = block.finding;
        let paint = self.paint;
        let severity = finding.severity;
        writeln!(
            self.out,
            "  {} {} {}",
            paint.severity(severity, severity.as_str()),
            paint.bold(finding.rule),
            finding.name,
        )?;
        let message = self.masker.message(finding).into_owned();
        for line in visible_lines(&message).lines() {
            writeln!(self.out, "  {}", no_command(line.to_owned()))?;
        }
        writeln!(self.out, "  {}", paint.dim(&no_command(place(&finding.path, &finding.span))))?;
        let shown = self.masker.snippet(&finding.path, &finding.snippet);
        self.snippet(finding.span.line, &shown, severity)?;
        if let Some(decoded) = block.decoded {
            self.decoded(finding, decoded)?;
        }
        if !block.parts.is_empty() {
            writeln!(self.out, "  made of:")?;
            // A line that stands above needs no second look.
            let mut shown: HashSet<(&str, u32)> = HashSet::from([(&*finding.path, finding.span.line)]);
            for part in &block.parts {
                let new = shown.insert((&part.path, part.span.line));
                self.part(part, severity, new || self.options.verbose)?;
            }
        }
        if let Some(why) = finding.demoted {
            writeln!(self.out, "  {} {}", paint.dim("lowered:"), visible(why))?;
        }
        if !block.also.is_empty() {
            let name = |one: &&Finding| format!("{} {} {}", one.severity.as_str(), one.rule, one.name);
            let names: Vec<String> = block.also.iter().map(name).collect();
            writeln!(self.out, "  {} {}", paint.dim("also here:"), names.join(", "))?;
        }
        let first = self.explained.insert(finding.rule);
        if !finding.remediation.is_empty() && (first || self.options.verbose) {
            let fix = visible_lines(finding.remediation.trim_end()).replace('\n', "\n       ");
            writeln!(self.out, "  {} {fix}", paint.bold("fix:"))?;
        }
        if self.options.verbose {
            writeln!(
                self.out,
                "  {} confidence {}, fingerprint {}",
                paint.dim("more:"),
                finding.confidence.as_str(),
                visible(&finding.fingerprint)
            )?;
        }
        writeln!(self.out)
    }

    fn decoded(&mut self, finding: &Finding, decoded: &Decoded) -> io::Result<()> {
        writeln!(self.out, "  decoded ({}):", decoded.chain.join(" > "))?;
        let shown = self.masker.snippet(&finding.path, &decoded.snippet);
        self.snippet(0, &shown, finding.severity)
    }

    fn part(&mut self, part: &Part, severity: Severity, line: bool) -> io::Result<()> {
        let message = self.masker.text(&part.path, &part.message).into_owned();
        writeln!(
            self.out,
            "    {} {} {}",
            self.paint.bold(part.rule),
            self.paint.dim(&format!("{}:", place(&part.path, &part.span))),
            visible(&message)
        )?;
        if !line {
            return Ok(());
        }
        let shown = self.masker.snippet(&part.path, &part.snippet);
        self.snippet(part.span.line, &shown, severity)
    }

    /// The line and, under it, the caret. Line 0: text that stands in no file.
    fn snippet(&mut self, line: u32, shown: &Shown, severity: Severity) -> io::Result<()> {
        if shown.text.trim().is_empty() {
            return Ok(());
        }
        let number = if line == 0 { String::new() } else { line.to_string() };
        let room = self.options.width.saturating_sub(GUTTER + 2).max(40);
        let cut = cut(shown, room);
        writeln!(self.out, "  {} {}", self.paint.dim(&format!("{number:>5} |")), cut.text)?;
        if cut.carets > 0 {
            writeln!(
                self.out,
                "  {} {}{}",
                self.paint.dim("      |"),
                " ".repeat(cut.indent),
                self.paint.caret(severity, &"^".repeat(cut.carets))
            )?;
        }
        Ok(())
    }

    fn totals(&mut self, report: &Report) -> io::Result<()> {
        let paint = self.paint;
        let stats = &report.stats;
        for note in self.options.notes {
            writeln!(self.out, "note: {}", visible(note))?;
        }
        if self.options.verbose {
            for skip in &report.skips {
                writeln!(self.out, "not scanned: {}: {}", visible(&skip.path), skip.reason.as_str())?;
            }
        }
        let skips = skips_by_reason(report);
        let mut counts: Vec<String> =
            skips.iter().map(|(reason, count)| format!("{count} × {}", reason.as_str())).collect();
        if stats.excluded > 0 {
            counts.push(format!("{} × excluded by weft.toml", stats.excluded));
        }
        if !counts.is_empty() {
            let more = if skips.is_empty() || self.options.verbose { "" } else { "; --verbose lists them" };
            writeln!(self.out, "not scanned: {}{more}", counts.join(", "))?;
        }
        let taken = self.options.hidden.iter().copied().chain([
            (stats.ignored_inline, "by comments in the files"),
            (stats.ignored_baseline, "by the baseline"),
        ]);
        for (count, why) in taken.filter(|(count, _)| *count > 0) {
            writeln!(self.out, "not shown: {count} {why}")?;
        }
        let scanned = format!(
            "{}, {} in {}",
            plural(usize::try_from(stats.files).unwrap_or(usize::MAX), "file"),
            size(stats.bytes),
            time(stats.micros)
        );
        if report.findings.is_empty() {
            writeln!(self.out, "{}: {scanned}", paint.with("1;32", "no findings"))?;
            return Ok(());
        }
        let parts: Vec<String> = by_severity(report)
            .into_iter()
            .map(|(severity, count)| paint.severity(severity, &format!("{count} {}", severity.as_str())))
            .collect();
        let skills: HashSet<&str> = report.findings.iter().map(|finding| &*finding.skill).collect();
        let of = skills.len().max(usize::try_from(stats.skills).unwrap_or(usize::MAX));
        writeln!(
            self.out,
            "{}: {}; in {} of {}; {scanned}",
            paint.bold(&plural(report.findings.len(), "finding")),
            parts.join(", "),
            skills.len(),
            plural(of, "skill"),
        )?;
        writeln!(self.out, "`weft security explain ID` says more about a finding")
    }
}

/// `path:line:column`, as editors and terminals make a link of it.
fn place(path: &str, span: &Span) -> String {
    match span.line {
        0 => visible(path).into_owned(),
        line => format!("{}:{line}:{}", visible(path), span.column),
    }
}

/// In the log of a CI server, a line that begins like this is a command to the server.
fn no_command(line: String) -> String {
    let start = line.trim_start();
    if start.starts_with("::") || start.starts_with("##") { format!("| {line}") } else { line }
}

/// A line that fits, with its caret.
struct Cut {
    text: String,
    indent: usize,
    carets: usize,
}

/// Spells out what must be, and keeps a window of `room` columns that shows the beginning of the mark.
fn cut(shown: &Shown, room: usize) -> Cut {
    // Each cell: what is printed for one character, and whether it is marked.
    let mut cells: Vec<(String, bool)> = Vec::new();
    for (at, c) in shown.text.char_indices() {
        let mut cell = String::new();
        match c {
            '\t' => cell.push_str("    "),
            _ if is_deceptive(c) => push(&mut cell, c),
            _ => cell.push(c),
        }
        cells.push((cell, shown.mark.contains(&at)));
    }
    let columns = |cells: &[(String, bool)]| cells.iter().map(|(cell, _)| width(cell)).sum::<usize>();
    let first = cells.iter().position(|(_, marked)| *marked).unwrap_or(0);
    let mut from = 0;
    // Leading white space says nothing when the line stands alone.
    while from < first && cells[from].0.trim().is_empty() {
        from += 1;
    }
    if columns(&cells[from..]) > room {
        let mut before = columns(&cells[from..first]);
        let marked = columns(&cells[first..]).min(room * 2 / 3);
        while from < first && before + marked > room - 2 {
            before -= width(&cells[from].0);
            from += 1;
        }
    }
    let leading = cells[..from].iter().any(|(cell, _)| !cell.trim().is_empty());
    let mut cut = Cut { text: String::new(), indent: 0, carets: 0 };
    if leading {
        cut.text.push('…');
        cut.indent = 1;
    }
    let mut used = cut.indent;
    for (i, (cell, marked)) in cells.iter().enumerate().skip(from) {
        let wide = width(cell);
        if used + wide > room - usize::from(i + 1 < cells.len()) {
            cut.text.push('…');
            break;
        }
        used += wide;
        cut.text.push_str(cell);
        if *marked {
            cut.carets += wide;
        } else if cut.carets == 0 {
            cut.indent += wide;
        }
    }
    cut.text.truncate(cut.text.trim_end().len());
    cut
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", fixed(bytes, 1_000, 1)),
        1_000_000..1_000_000_000 => format!("{} MB", fixed(bytes, 1_000_000, 1)),
        _ => format!("{} GB", fixed(bytes, 1_000_000_000, 1)),
    }
}

fn time(micros: u64) -> String {
    match micros {
        0..=9_999 => format!("{} ms", fixed(micros, 1_000, 1)),
        10_000..=999_999 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", fixed(micros, 1_000_000, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn rendered(options: &RenderOptions) -> String {
        let options = RenderOptions { hidden: &[(0, "by nothing"), (3, "by --diff")], ..options.clone() };
        let mut out = Vec::new();
        write(&samples::report(), &options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_reads_like_this() {
        let rules = samples::rules();
        let page = rendered(&RenderOptions::new(&rules));
        if std::env::var_os("WEFT_BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scan/report/samples/page.txt"), &page)
                .unwrap();
        }
        assert_eq!(page, include_str!("samples/page.txt"), "{page}");
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        let rules = samples::rules();
        let page = rendered(&RenderOptions { verbose: true, ..RenderOptions::new(&rules) });
        assert!(page.chars().all(|c| c == '\n' || !is_deceptive(c)), "{page:?}");
        assert!(page.contains("<U+001B>"));
        assert!(page.lines().all(|line| !line.trim_start().starts_with("::")));
        assert!(!page.contains(samples::KEY));
        let open = rendered(&RenderOptions { show_secrets: true, ..RenderOptions::new(&rules) });
        assert!(open.contains(samples::KEY));
    }

    #[test]
    fn long_lines_keep_the_mark_in_sight() {
        let text = format!("{}MARK{}", "a".repeat(500), "b".repeat(500));
        let cut = cut(&Shown { text, mark: 500..504 }, 60);
        assert!(width(&cut.text) <= 60, "{}", cut.text);
        let under: String = cut.text.chars().skip(cut.indent).take(cut.carets).collect();
        assert_eq!(under, "MARK");
    }

    #[test]
    fn the_caret_stands_under_wide_and_spelt_out_characters() {
        let cut = cut(&Shown { text: "\u{202e}漢\tMARK".into(), mark: 7..11 }, 80);
        assert_eq!(cut.text, "<U+202E>漢    MARK");
        assert_eq!((cut.indent, cut.carets), (14, 4));
    }

    #[test]
    fn sizes_and_times() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_250_000), "1.3 MB");
        assert_eq!(time(900), "0.9 ms");
        assert_eq!(time(2_500_000), "2.5 s");
    }
}
