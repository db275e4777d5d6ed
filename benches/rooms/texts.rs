//! Inputs of the benchmarks: ordinary text, made here from a fixed seed.

/// Bytes of a text that fits into a processor's cache, as most files do.
pub const SIZE: usize = 64 << 10;
pub const LARGE: usize = 1 << 20;

pub const SKILL: &str = "---\nname: weather\ndescription: Tells the weather of a place.\n---\n\n# Weather\n\nAsk for a place, then \
    run the script and read what it says.\n\n```bash\ncurl -s 'https://wttr.in/Paris?format=3'\n```\n\n| key | value |\n\
    | --- | --- |\n| place | a town |\n\nThe key is in `WEATHER_KEY`. Never print it.\n";

/// Words in an order that is the same every time.
pub struct Words(u32);

impl Words {
    pub const fn new() -> Words {
        Words(1)
    }

    /// A number below `below`.
    pub fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as usize % below
    }

    pub fn word(&mut self) -> &'static str {
        const WORDS: [&str; 24] = [
            "table", "river", "number", "window", "paper", "garden", "first", "second", "value", "result",
            "small", "large", "before", "after", "between", "letter", "count", "order", "green", "north",
            "market", "summer", "index", "total",
        ];
        WORDS[self.number(WORDS.len())]
    }
}

/// At least so many bytes of sentences.
pub fn prose(size: usize) -> String {
    let (mut words, mut out) = (Words::new(), String::new());
    while out.len() < size {
        let (a, b, c) = (words.word(), words.word(), words.word());
        out.push_str(&format!("The {a} of the {b} is {c}, and the {c} is {a}. "));
        if out.len().is_multiple_of(7) {
            out.push_str("\n\n");
        }
    }
    out
}

/// At least so many bytes of Markdown with headings, code and tables.
pub fn pages(size: usize) -> String {
    let body = SKILL.rsplit_once("---\n\n").map_or(SKILL, |(_, body)| body);
    let mut out = SKILL.to_owned();
    while out.len() < size {
        out.push_str(body);
        out.push_str(&prose(300));
        out.push('\n');
    }
    out
}

/// At least so many bytes of lines of Python.
pub fn code(size: usize) -> String {
    let (mut words, mut out) = (Words::new(), String::new());
    while out.len() < size {
        let (a, b, c) = (words.word(), words.word(), words.word());
        out.push_str(&format!("    {a}_{b} = {c}.get('{a}', {})\n", b.len()));
    }
    out
}

/// Prose with one of `lines` after every 512 bytes, in turns, and at least `size` bytes.
pub fn prose_with(lines: &[String], size: usize) -> String {
    let plain = prose(512);
    let mut out = String::new();
    for line in lines.iter().cycle() {
        if out.len() >= size || lines.is_empty() {
            break;
        }
        out.push_str(&plain);
        out.push('\n');
        out.push_str(line);
        out.push('\n');
    }
    out
}
