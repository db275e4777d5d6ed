//! Writes the built-in rules as two compressed files: what matching needs, and what is said of each rule, which few scans
//! need. `src/rules/builtin.rs` reads them; the two must agree byte for byte.

use super::model::{Scope, Within};
use super::needs::Span;
use super::schema::{ComboSpec, MatcherSpec, RuleFile, RuleSpec};
use super::{needs, program};
use std::collections::BTreeMap;

/// Numbers are LEB128, texts are a length and UTF-8, lists are a length and the entries.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list(&mut self, list: &[String]) {
        self.number(list.len() as u64);
        list.iter().for_each(|text| self.text(text));
    }
}

/// The files, each to be written beside the generated code.
pub struct Files {
    /// Compressed.
    pub matching: Vec<u8>,
    /// Compressed.
    pub words: Vec<u8>,
    /// Lengths of the two before they were compressed, and the patterns: only the tests look at those.
    pub code: String,
}

struct Ready<'r> {
    spec: &'r RuleSpec,
    literals: Vec<String>,
    leads: Vec<Lead>,
    also: &'r [String],
    needs: Vec<u16>,
    program: Vec<u8>,
}

/// A literal of a rule, and what it leads to.
struct Lead {
    /// Its place among the literals of the rule.
    literal: usize,
    /// A bit for each branch of the pattern.
    branches: u64,
    /// How far behind the start of a match it stands.
    span: Span,
    /// Where no byte of a word stands next to it.
    edges: u8,
}

/// As how far behind at most: no one knows.
const ANYWHERE: u8 = u8::MAX;

pub fn write(all: &RuleFile) -> Result<Files, String> {
    let mut rules: Vec<&RuleSpec> = all.rules.iter().collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let mut combos: Vec<&ComboSpec> = all.combos.iter().collect();
    combos.sort_by(|a, b| a.id.cmp(&b.id));

    let mut programs = program::Programs::default();
    let ready: Vec<Ready> =
        rules.iter().map(|rule| ready(rule, &mut programs)).collect::<Result<_, String>>()?;
    // Sorted, so that rules that start alike pack well.
    let mut literals: BTreeMap<&str, usize> = BTreeMap::new();
    for literal in ready.iter().flat_map(|r| &r.literals) {
        literals.insert(literal, 0);
    }
    for (i, number) in literals.values_mut().enumerate() {
        *number = i;
    }

    let mut out = Out::default();
    out.number(programs.classes.len() as u64);
    for class in &programs.classes {
        out.0.extend(class.ascii.iter().flat_map(|half| half.to_le_bytes()));
        out.0.push(class.others);
    }
    out.number(programs.ranges.len() as u64);
    for ranges in &programs.ranges {
        out.number(ranges.len() as u64);
        for (from, to) in ranges {
            out.number(u64::from(*from));
            out.number(u64::from(*to));
        }
    }
    out.number(programs.begins.len() as u64);
    out.0.extend(programs.begins.iter().flat_map(|begin| begin.to_le_bytes()));
    out.bytes(&programs.words);
    out.number(literals.len() as u64);
    for literal in literals.keys() {
        out.0.extend(needs::rarest_windows(literal.as_bytes()));
        out.text(literal);
    }
    out.number(ready.len() as u64);
    for rule in &ready {
        row(rule, &literals, &mut out);
    }
    out.number(combos.len() as u64);
    for combo in &combos {
        combo_row(combo, &mut out);
    }

    let mut words = Out::default();
    words.number((rules.len() + combos.len()) as u64);
    for r in &rules {
        explanation(&mut words, &r.message, &r.remediation, &r.references, &r.matches, &r.no_matches);
    }
    for c in &combos {
        explanation(&mut words, &c.message, &c.remediation, &c.references, &c.matches, &c.no_matches);
    }
    let patterns: Vec<&str> = rules
        .iter()
        .map(|rule| if let MatcherSpec::Regex(pattern) = &rule.matcher { pattern.as_str() } else { "" })
        .collect();
    Ok(Files {
        code: format!(
            "const MATCHING_LENGTH: usize = {};\nconst WORDS_LENGTH: usize = {};\n\
             static PATTERNS: [&str; {}] = {patterns:?};\n",
            out.0.len(),
            words.0.len(),
            patterns.len(),
        ),
        matching: miniz_oxide::deflate::compress_to_vec(&out.0, 10),
        words: miniz_oxide::deflate::compress_to_vec(&words.0, 10),
    })
}

fn ready<'r>(rule: &'r RuleSpec, programs: &mut program::Programs) -> Result<Ready<'r>, String> {
    let mut ready = Ready {
        spec: rule,
        literals: rule.literals.clone(),
        leads: Vec::new(),
        also: &rule.also,
        needs: Vec::new(),
        program: Vec::new(),
    };
    if let MatcherSpec::Regex(pattern) = &rule.matcher {
        // The schema has compiled the pattern with regex-lite; a form that only these reject fails the build.
        let branches = program::branches(pattern).map_err(|e| format!("{}: {e}", rule.id))?;
        ready.program = programs.compile(&branches).map_err(|e| format!("{}: {e}", rule.id))?;
        let all: Option<Vec<needs::Need>> = branches.iter().map(needs::of).collect();
        let all =
            all.ok_or_else(|| format!("{}: its matches have nothing in common to look for", rule.id))?;
        ready.literals = needs::literals(&needs::Need::Or(all.clone()), &rule.literals);
        if let Some(short) = ready.literals.iter().find(|literal| literal.len() < 2) {
            return Err(format!("{}: some of its matches have no more than {short:?} in common", rule.id));
        }
        let mut told = false;
        for (i, need) in all.iter().enumerate() {
            let leads = needs::leads(need, &ready.literals)
                .ok_or_else(|| format!("{}: no literal leads to branch {i}", rule.id))?;
            for lead in leads {
                let needs::Lead { literal, span, edges } = lead;
                join(&mut ready.leads, Lead { literal, branches: 1 << i, span, edges });
            }
            let rest = needs::rest(need, &ready.literals);
            told |= rest.is_some();
            needs::pack(rest.as_ref(), &mut ready.needs);
        }
        if !told {
            ready.needs.clear();
        }
        ready.also = &[];
    } else {
        let anywhere = Span { least: 0, most: None };
        let lead = |literal| Lead { literal, branches: u64::MAX, span: anywhere, edges: 0 };
        ready.leads = (0..ready.literals.len()).map(lead).collect();
    }
    Ok(ready)
}

/// One entry for each literal, or two: what it leads to from a place that is known, and what from one that is not.
fn join(leads: &mut Vec<Lead>, lead: Lead) {
    let known = |span: Span| span.most.is_some_and(|most| most < usize::from(ANYWHERE));
    match leads.iter_mut().find(|l| l.literal == lead.literal && known(l.span) == known(lead.span)) {
        Some(old) => {
            old.branches |= lead.branches;
            old.span = old.span.with(lead.span);
            old.edges &= lead.edges;
        }
        None => leads.push(lead),
    }
}

fn row(rule: &Ready, literals: &BTreeMap<&str, usize>, out: &mut Out) {
    let spec = rule.spec;
    let Scope { places, langs } = spec.scope;
    let (kind, native) = match &spec.matcher {
        MatcherSpec::Literal => (0, ""),
        MatcherSpec::Regex(_) => (1, ""),
        MatcherSpec::Native(name) => (2, name.as_str()),
        MatcherSpec::Check => (3, ""),
    };
    out.text(&spec.id);
    out.text(&spec.name);
    out.0.extend([
        spec.category as u8,
        spec.severity as u8,
        spec.confidence as u8,
        spec.persona as u8,
        kind,
        places,
        spec.context as u8,
        u8::from(spec.secret),
    ]);
    out.number(u64::from(langs));
    out.text(native);
    out.list(&spec.signals);
    out.list(rule.also);
    out.number(rule.leads.len() as u64);
    for lead in &rule.leads {
        let literal = literals.get(rule.literals[lead.literal].as_str()).copied().unwrap_or(0);
        out.number((literal << 2) as u64 | u64::from(lead.edges));
        let most = lead.span.most.and_then(|most| u8::try_from(most).ok()).unwrap_or(ANYWHERE);
        let least = if most == ANYWHERE { 0 } else { lead.span.least as u8 };
        out.0.extend([least, most]);
        out.number(lead.branches);
    }
    out.number(rule.needs.len() as u64);
    out.0.extend(rule.needs.iter().flat_map(|need| need.to_le_bytes()));
    out.bytes(&rule.program);
}

fn combo_row(combo: &ComboSpec, out: &mut Out) {
    out.text(&combo.id);
    out.text(&combo.name);
    out.0.extend([combo.category as u8, combo.severity as u8, combo.confidence as u8]);
    out.number(match combo.within {
        Within::Skill => 0,
        Within::File => 1,
        Within::Lines(n) => 2 + u64::from(n),
    });
    out.list(&combo.all);
    out.list(&combo.none);
}

fn explanation(
    out: &mut Out,
    message: &str,
    remediation: &str,
    references: &[String],
    matches: &[String],
    no_matches: &[String],
) {
    out.text(message);
    out.text(remediation);
    out.list(references);
    out.text(matches.first().map_or("", String::as_str));
    out.text(no_matches.first().map_or("", String::as_str));
}
