//! How long the parts of weft take, each on its own: `cargo bench`, or `cargo bench -- decode` for those whose names have the word.
//! For the whole program, beside others, see scripts/bench/.
//!
//! What they are given is made in `texts`, the same for everybody. A name says how much of it there is: bytes (`64 KiB`), or how
//! often (`1000 times`); scripts/bench/ reckons throughput by that. `reference` is a loop over text in plain Rust, no part of weft:
//! ratios to it mean the same on a slow machine and on a fast one. `--plan` makes one plan and ends: scripts/bench/plan.sh counts its
//! instructions.

mod hub;
mod plan;
mod policy;
mod scan;
mod texts;

use brunch::{Bench, Benches};
use std::hint::black_box;
use std::time::Duration;

/// The benchmarks that were asked for, in the order they ran.
pub struct Run {
    all: Benches,
    wanted: String,
}

impl Run {
    fn bench(&self, name: &str) -> Option<Bench> {
        // A slow one has at least a hundred samples within this.
        let limited = |bench: Bench| bench.with_samples(1000).with_timeout(Duration::from_secs(3));
        name.contains(&self.wanted).then(|| limited(Bench::new(name)))
    }

    /// Measures `work`. Its result is made, and dropped behind the clock.
    pub fn add<O>(&mut self, name: &str, work: impl FnMut() -> O) {
        if let Some(bench) = self.bench(name) {
            self.all.push(bench.run(work));
        }
    }

    /// Measures `work`, which uses up what `seed` makes before the clock starts.
    pub fn seeded<I, O>(&mut self, name: &str, seed: impl FnMut() -> I, work: impl FnMut(I) -> O) {
        if let Some(bench) = self.bench(name) {
            self.all.push(bench.run_seeded_with(seed, work));
        }
    }
}

fn main() {
    if std::env::args().any(|word| word == "--plan") {
        return plan::once();
    }
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let mut run = Run { all: Benches::default(), wanted };
    let text = texts::prose(texts::SIZE);
    run.add("reference: words of 64 KiB", || {
        black_box(&text).split_ascii_whitespace().map(|word| word.len() & 1).sum::<usize>()
    });
    scan::add(&mut run);
    policy::add(&mut run);
    plan::add(&mut run);
    hub::add(&mut run);
    run.all.finish();
}
