//! A small mutation fuzzer that runs on stable: no coverage, a fixed seed, a few seconds. `WEFT_FUZZ_SECONDS` makes it
//! run longer, `WEFT_FUZZ_SEED` start elsewhere. Real coverage-guided targets are in `fuzz/`.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Inputs stay below this, so that one run stays fast.
const LONGEST: usize = 64 << 10;

/// Xorshift: the same everywhere, for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() >> 11) as usize % n }
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Numbers at which parsers go wrong.
const NUMBERS: [u64; 14] =
    [0, 1, 7, 8, 255, 256, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX];

/// Changes `input` in one to eight places, with pieces of the other seeds and of the dictionary.
pub fn mutate(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&[u8]]) {
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(64)).min(input.len());
        match random.below(10) {
            0 if !input.is_empty() => {
                let at = random.below(input.len());
                input[at] ^= 1 << random.below(8);
            }
            1 if !input.is_empty() => {
                let at = random.below(input.len());
                input[at] = random.next() as u8;
            }
            2 => {
                input.drain(at..end);
            }
            3 => {
                let piece = input[at..end].to_vec();
                let times = random.below(20);
                input.splice(at..at, piece.repeat(times));
            }
            4 => input.truncate(at),
            5 => {
                let bytes = random.pick(&NUMBERS).to_le_bytes();
                let width = *random.pick(&[1, 2, 4, 8]);
                let end = (at + width).min(input.len());
                input.splice(at..end, bytes[..width].iter().copied());
            }
            6 if !words.is_empty() => {
                let word = random.pick(words);
                input.splice(at..at, word.iter().copied());
            }
            7 => {
                let other = random.pick(seeds);
                let from = random.below(other.len() + 1);
                let len = random.below(other.len() - from + 1).min(2000);
                input.splice(at..at, other[from..from + len].iter().copied());
            }
            8 => {
                let piece = vec![*random.pick(b"\0\n \xff\\`=A"); random.below(300)];
                input.splice(at..at, piece);
            }
            _ => {
                let other = random.below(input.len() + 1);
                let len = (end - at).min(input.len() - other);
                let piece = input[other..other + len].to_vec();
                input.splice(at..at, piece);
            }
        }
    }
    input.truncate(LONGEST);
}

/// The files of `tests/fixtures/fuzz/NAME`, in order of their names.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzz").join(name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What is being tried, and since when.
type Trial = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// A run that takes longer than this is an attack that worked.
const TOO_LONG: Duration = Duration::from_secs(10);

/// Runs `target` on every seed and then on mutations of them until the time is over. A panic fails the test, a run that
/// does not end fails the process; both leave the input in a file for the corpus.
pub fn run(name: &str, seeds: &[Vec<u8>], words: &[&[u8]], target: impl Fn(&[u8])) {
    let number = |key: &str| std::env::var(key).ok().and_then(|v| v.parse::<u64>().ok());
    let seconds = number("WEFT_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("WEFT_FUZZ_SEED").unwrap_or(1);
    let mut random = Random::new(seed);
    let trial = watch(name);
    let until = Instant::now() + Duration::from_secs(seconds);
    for input in seeds {
        one(name, input, &trial, &target);
    }
    let mut runs = 0u64;
    let mut slowest = (Duration::ZERO, 0);
    while Instant::now() < until {
        for _ in 0..20 {
            let mut input = random.pick(seeds).clone();
            mutate(&mut random, &mut input, seeds, words);
            let start = Instant::now();
            one(name, &input, &trial, &target);
            slowest = slowest.max((start.elapsed(), input.len()));
            runs += 1;
        }
    }
    let (time, len) = slowest;
    eprintln!("{name}: {runs} inputs in {seconds} s, seed {seed}, slowest {time:?} for {len} bytes");
}

fn one(name: &str, input: &[u8], trial: &Trial, target: &impl Fn(&[u8])) {
    *trial.lock().unwrap() = Some((Instant::now(), input.to_vec()));
    let result = catch_unwind(AssertUnwindSafe(|| target(input)));
    *trial.lock().unwrap() = None;
    if result.is_err() {
        panic!("{name}: panic on the input in {}; put it in the corpus", keep(name, input).display());
    }
}

/// A thread that ends the process when a run does not.
fn watch(name: &str) -> Trial {
    let trial = Trial::default();
    let watched = Arc::downgrade(&trial);
    let name = name.to_owned();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let Some(trial) = watched.upgrade() else { return };
            if let Some((since, input)) = &*trial.lock().unwrap()
                && since.elapsed() > TOO_LONG
            {
                eprintln!(
                    "{name}: no end on the input in {}; put it in the corpus",
                    keep(&name, input).display()
                );
                std::process::exit(101);
            }
        }
    });
    trial
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("weft-fuzz-{name}-{}", std::process::id()));
    std::fs::write(&path, input).unwrap();
    path
}
