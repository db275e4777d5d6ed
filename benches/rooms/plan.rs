//! The plan of a sandbox: from a policy and what a kernel offers, both made here, so that neither disk nor kernel matter.

use crate::Run;
use std::ffi::OsString;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use weft::policy::vars::Places;
use weft::policy::{self, Error, Files, Policy};
use weft::sandbox::plan::{Plan, plan};
use weft::sandbox::probe::Probe;

/// The one file there is.
struct Memory;

impl Files for Memory {
    fn read(&self, _: &str, _: &Path) -> Result<String, Error> {
        let mut text = "version = 1\nagent = \"bench\"\n[filesystem]\nread = [\n".to_owned();
        for number in 0..40 {
            text.push_str(&format!("  \"/nowhere/read/{number}\",\n"));
        }
        text.push_str("]\nwrite = [\"${WORKSPACE}\"]\nexec = [\"/nowhere/read/1\"]\ndeny = [\"/nowhere/read/2/secret\"]\n[network]\nallow = [\n");
        for number in 0..50 {
            text.push_str(&format!("  {{ host = \"*.h{number}.example.com\", ports = [443] }},\n"));
        }
        text.push_str("]\n[env]\nallow = [\"LANG\", \"BENCH_*\"]\n");
        Ok(text)
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}

fn policy() -> Policy {
    let places = Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/project"));
    policy::load_whole("bench.toml", "bench", &places, &Memory).expect("a policy without mistakes")
}

fn planned(policy: &Policy) -> Plan {
    let probe = Probe {
        landlock: 7,
        errata: 0b111,
        no_namespaces: None,
        listener: true,
        root: false,
        scratch: PathBuf::from("/nowhere/scratch"),
        root_links: vec![(PathBuf::from("/bin"), PathBuf::from("usr/bin"))],
        loaders: vec![PathBuf::from("/nowhere/ld.so")],
    };
    let outside = [("LANG", "C"), ("BENCH_A", "1"), ("HOME", "/nowhere/home"), ("SECRET", "x")];
    let outside = outside.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    plan(policy, &probe, outside.into_iter()).expect("what this kernel holds")
}

pub fn add(run: &mut Run) {
    let policy = policy();
    run.add("plan of a sandbox", || planned(black_box(&policy)));
}

/// Once, without a clock: for counting instructions. Says how large it became, so that it is not left out.
pub fn once() {
    eprintln!("{}", planned(&policy()).to_string().len());
}
