//! Typosquatting: a package whose name is one slip away from a well-known one, by edit distance to a list and not by a
//! list of typos.

use super::{Doc, Raise};
use crate::rules::{Lang, Place};
use crate::scan::clues;
use crate::sort;
use regex_lite::Regex;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

/// Packages people install by name, one list per registry. Own choice, from the registries' public download charts.
const PYPI: &str = "requests numpy pandas django flask fastapi urllib3 boto3 botocore setuptools cryptography pyyaml \
    pillow scipy matplotlib tensorflow keras scikit-learn beautifulsoup4 selenium sqlalchemy pydantic httpx aiohttp \
    openai anthropic langchain transformers huggingface-hub tiktoken colorama python-dateutil python-dotenv click \
    jinja2 markupsafe werkzeug pytest psycopg2 pymongo redis celery paramiko playwright tqdm websockets uvicorn \
    starlette streamlit gradio lxml openpyxl pypdf pdfplumber reportlab web3 ccxt yfinance telethon discord.py \
    praw tweepy google-api-python-client opencv-python pyautogui pyperclip psutil docker kubernetes jupyter notebook \
    poetry virtualenv loguru typer termcolor tabulate networkx sympy spacy nltk gensim feedparser html5lib arrow \
    pendulum simplejson orjson msgpack protobuf grpcio jsonschema attrs packaging certifi idna charset-normalizer";
const NPM: &str = "express react react-dom lodash axios chalk commander webpack typescript eslint prettier jest mocha \
    next vite vue angular moment dayjs dotenv cors body-parser mongoose sequelize prisma socket.io puppeteer \
    playwright cheerio request node-fetch uuid nodemon cross-env rimraf glob minimist yargs inquirer debug async \
    bluebird underscore jquery bootstrap tailwindcss postcss autoprefixer babel-core rollup esbuild electron openai \
    langchain ethers web3 viem wagmi discord.js telegraf passport jsonwebtoken bcrypt bcryptjs nodemailer winston \
    morgan helmet multer sharp stripe firebase redux zustand graphql apollo-server typeorm colors event-stream \
    cross-spawn semver fs-extra execa shelljs zod fastify koa hono pino vitest cypress storybook turbo clawhub \
    clawdhub openclaw clawdbot claude-code mcp-remote";

/// Real packages that are one slip away from a listed one.
const REAL: &str = "preact requests request reacts colour color glob globs jests axios-retry vuex vue3 nuxt nextra aysnc \
    pinot koa2 redis ioredis mockito pandas polars flasks pytest pytests arrows clicks click chalks attr attrs lxml xml \
    debug dotenvx uuidv4 uuidv7 uuid7 tabulator zods sharps hone pillow-simd typed typer types execa dockers stripes httpx \
    httpx2 http2 pypdf2 pypdf3 pypdf4 websocket network cheeriojs open-ai nodemailer motor semver2 gloo turbo turbos hona next-auth vitest vites viem-utils";

/// One of these stands in every line that the pattern below matches.
const TOOLS: [&str; 7] = ["pip", "uv", "poetry", "npm", "yarn", "bun", "npx"];

fn installs() -> Option<&'static Regex> {
    static RE: OnceLock<Option<Regex>> = OnceLock::new();
    RE.get_or_init(|| {
        Regex::new(
            r"(?i)\b(pip3?\s+install|pipx\s+install|uv\s+(?:pip\s+install|add|tool\s+install)|poetry\s+add|npm\s+(?:i|install|add)|pnpm\s+(?:i|install|add)|yarn\s+(?:global\s+)?add|bun\s+(?:i|install|add)|npx)\s+([^\n;&|`#>()\[\]]{1,300})",
        )
        .ok()
    })
    .as_ref()
}

pub fn check(doc: &Doc, raise: &mut Raise) {
    let text = &doc.text;
    let name = doc.path.rsplit('/').next().unwrap_or("");
    if name.starts_with("requirements") && name.ends_with(".txt") {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if let Some((range, word)) = words(text, at..at + line.len(), ' ').first()
                && !word.starts_with(['#', '-'])
            {
                judge(word, range, List::Pypi, doc, raise);
            }
            at += line.len();
        }
        return;
    }
    // A tool server's command and arguments, joined by a decoder.
    for layer in
        doc.layers.iter().filter(|l| l.chain.last().is_some_and(|c| *c == "mcp-args" || *c == "argv"))
    {
        if let Some(found) = installs().and_then(|re| re.captures(&layer.text))
            && let Some(rest) = found.get(2)
            && let Some((_, word)) =
                words(&layer.text, rest.range(), ' ').into_iter().find(|(_, w)| !w.starts_with('-'))
        {
            judge(word, &layer.origin, List::Npm, doc, raise);
        }
    }
    if name == "package.json" {
        dependencies(doc, raise);
        return;
    }
    if !matches!(doc.place, Place::Prose | Place::Script | Place::Config) || doc.lang == Lang::Css {
        return;
    }
    let bytes = text.as_bytes();
    let mut lines: Vec<usize> = Vec::new();
    if !doc.clues.has(clues::INSTALL) {
        return;
    }
    for word in clues::INSTALLS {
        lines.extend(memchr::memmem::find_iter(bytes, word).map(|at| doc.lines().line_range(text, at).start));
    }
    if lines.is_empty() {
        return;
    }
    sort::plain(&mut lines);
    lines.dedup();
    let Some(installs) = installs() else { return };
    let found = lines.iter().flat_map(|&start| {
        let line = &text[doc.lines().line_range(text, start)];
        let lower = line.to_ascii_lowercase();
        let line = if TOOLS.iter().any(|tool| lower.contains(tool)) { line } else { "" };
        // Steps of work that matching one byte takes.
        let line = if doc.work.spend(line.len() * 64) { line } else { "" };
        installs.captures_iter(line).map(move |c| (start, c))
    });
    for (line_start, found) in found {
        let (Some(tool), Some(rest)) = (found.get(1), found.get(2)) else { continue };
        let tool = tool.as_str().to_ascii_lowercase();
        let python = ["pip", "uv", "poetry"].iter().any(|t| tool.starts_with(t));
        let list = if python { List::Pypi } else { List::Npm };
        let most = if tool == "npx" { 1 } else { 20 };
        for (range, word) in words(text, line_start + rest.start()..line_start + rest.end(), ' ')
            .into_iter()
            .filter(|(_, w)| !w.starts_with('-'))
            .take(most)
        {
            judge(word, &range, list, doc, raise);
        }
    }
}

/// Words of a stretch of text with their byte ranges.
fn words(text: &str, range: Range<usize>, separator: char) -> Vec<(Range<usize>, &str)> {
    let mut out = Vec::new();
    let mut at = range.start;
    for piece in text[range].split(|c: char| c == separator || c.is_whitespace()) {
        let start = at;
        at += piece.len();
        // The separator that split() took away is one character.
        at += text[at..].chars().next().map_or(0, char::len_utf8);
        if !piece.is_empty() {
            out.push((start..start + piece.len(), piece));
        }
    }
    out
}

/// Keys of the dependency tables of a package.json, found without a parser so that a broken one is read too.
fn dependencies(doc: &Doc, raise: &mut Raise) {
    let text = &doc.text;
    for table in
        ["\"dependencies\"", "\"devDependencies\"", "\"optionalDependencies\"", "\"peerDependencies\""]
    {
        let Some(at) = text.find(table) else { continue };
        let Some(open) = text[at..].find('{').map(|i| at + i) else { continue };
        let close = text[open..].find('}').map_or(text.len(), |i| open + i);
        for line in text[open..close].split(',') {
            let Some(start) = line.find('"') else { continue };
            let Some(len) = line[start + 1..].find('"') else { continue };
            let from = line.as_ptr() as usize - text.as_ptr() as usize + start + 1;
            judge(&text[from..from + len], &(from..from + len), List::Npm, doc, raise);
        }
    }
}

/// Scopes of well-known publishers.
const SCOPES: &str = "modelcontextprotocol anthropic-ai openai google google-cloud aws-sdk microsoft azure types babel angular vercel supabase \
    langchain huggingface cloudflare playwright storybook testing-library tanstack nestjs prisma sentry stripe slack octokit \
    reduxjs mui radix-ui typescript-eslint anthropic";

/// `@scope/name` whose scope is one or two slips away from a well-known one.
fn judge_scope(name: &str, range: &Range<usize>, raise: &mut Raise) {
    let Some((scope, _)) = name.strip_prefix('@').and_then(|rest| rest.split_once('/')) else { return };
    if scope.len() < 5 || SCOPES.split_whitespace().any(|known| known == scope) {
        return;
    }
    let own = letters(scope);
    let slips = |known: &str| {
        if (own ^ letters(known)).count_ones() > 4 {
            return false;
        }
        let most = if known.len() >= 9 { 2 } else { 1 };
        crate::rules::schema::distance(scope, known) <= most
    };
    if let Some(meant) = SCOPES.split_whitespace().filter(|k| k.len() >= 5).find(|k| slips(k)) {
        raise(
            "typosquat-scope",
            range.clone(),
            Some(format!("the scope \"@{scope}\" is almost \"@{meant}\"")),
        );
    }
}

/// Steps of work that one name takes.
const WORD: usize = 256;

/// The registry that a command installs from.
#[derive(Clone, Copy)]
enum List {
    Pypi,
    Npm,
}

/// The names of a list that are long enough to be mistyped, each with the letters it has.
fn names(list: List) -> &'static [(&'static str, u32)] {
    static LISTS: [OnceLock<Vec<(&str, u32)>>; 2] = [OnceLock::new(), OnceLock::new()];
    let (cell, text) = match list {
        List::Pypi => (&LISTS[0], PYPI),
        List::Npm => (&LISTS[1], NPM),
    };
    cell.get_or_init(|| text.split_whitespace().filter(|k| k.len() >= 5).map(|k| (k, letters(k))).collect())
}

/// The set of letters and digits of a name. One slip changes two of them at most.
fn letters(name: &str) -> u32 {
    name.bytes().filter(u8::is_ascii_alphanumeric).fold(0, |set, b| set | 1 << (b & 31))
}

/// The names of packages that are what they are called.
fn known() -> &'static HashSet<&'static str> {
    static KNOWN: OnceLock<HashSet<&'static str>> = OnceLock::new();
    KNOWN.get_or_init(|| [PYPI, NPM, REAL].iter().flat_map(|list| list.split_whitespace()).collect())
}

fn judge(word: &str, range: &Range<usize>, list: List, doc: &Doc, raise: &mut Raise) {
    // Looked through once a word: all names, but for a byte or two of each.
    if !doc.work.spend(WORD) {
        return;
    }
    let trimmed = word.trim_matches(['"', '\'', ',', ')', '(', '.']);
    // Versions, extras and scopes are not part of the name that is mistyped.
    let end = trimmed
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '=' | '<' | '>' | '~' | '!' | '[' | '@' | '^'))
        .map_or(trimmed.len(), |(i, _)| i);
    let name = trimmed[..end].to_ascii_lowercase();
    if name.starts_with('@') {
        judge_scope(&name, range, raise);
        return;
    }
    if name.len() < 5 || name.contains(['/', '\\', ':', '$', '{', '<']) || !name.is_ascii() {
        return;
    }
    if known().contains(name.as_str()) {
        return;
    }
    let own = letters(&name);
    let near = names(list).iter().find(|(k, has)| (own ^ has).count_ones() <= 2 && one_slip(&name, k));
    if let Some((meant, _)) = near {
        raise(
            "typosquat-package",
            range.clone(),
            Some(format!("the package \"{name}\" is one slip away from the well-known \"{meant}\"")),
        );
    }
}

/// Are two names one insertion, deletion, substitution or swap of neighbours apart, or the same but for separators?
fn one_slip(a: &str, b: &str) -> bool {
    if a == b {
        return false;
    }
    if without_separators(a).eq(without_separators(b)) {
        // PyPI itself folds separators, so only a name that lost them altogether is another package.
        return a.replace(['_', '.'], "-") != b.replace(['_', '.'], "-");
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], other) | (other, [_, rest @ ..]) if rest == other => true,
        ([a0, a1, ra @ ..], [b0, b1, rb @ ..]) => a0 == b1 && a1 == b0 && ra == rb,
        _ => false,
    }
}

fn without_separators(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().filter(|c| !matches!(c, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        for (a, b) in [
            ("requets", "requests"),
            ("reqeusts", "requests"),
            ("expresss", "express"),
            ("crossenv", "cross-env"),
            ("lodahs", "lodash"),
            ("nunpy", "numpy"),
        ] {
            assert!(one_slip(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("requests", "requests"),
            ("react", "redux"),
            ("scikit_learn", "scikit-learn"),
            ("flask-cors", "flask"),
        ] {
            assert!(!one_slip(a, b), "{a} {b}");
        }
    }
}
