//! The egress against a stand-in for the internet: a user, network and mount namespace of the test's own, in which addresses that look
//! public lead to servers of the test. weft runs in there as it would outside: with the resolver, the trust store and the
//! interfaces that it finds. Nothing leaves the namespace. Words on the command line choose cases by name.
//!
//! `world` makes the namespace and the servers, `reach` asks who can be reached, `hostile` misbehaves, `fallback` asks again without namespaces,
//! `learn` watches, `clients` are real programs, `guest` is a WebAssembly program.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod clients;
mod fallback;
#[cfg(feature = "wasm")]
mod guest;
mod hostile;
mod learn;
mod reach;
mod world;

use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use world::World;

/// A case: what it shows, as a function name.
type Case = (&'static str, fn(&World));

const INSIDE: &str = "WEFT_TEST_EGRESS_WORLD";

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_none() {
        return enter();
    }
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let world = World::make();
    let (mut ran, mut failed) = (0, Vec::new());
    #[cfg(feature = "wasm")]
    let guest = guest::CASES;
    #[cfg(not(feature = "wasm"))]
    let guest: &[Case] = &[];
    for (name, case) in [reach::CASES, hostile::CASES, fallback::CASES, learn::CASES, clients::CASES, guest]
        .into_iter()
        .flatten()
    {
        if !chosen.is_empty() && !chosen.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        ran += 1;
        world.quiet();
        match catch_unwind(AssertUnwindSafe(|| case(&world))) {
            Ok(()) => println!("test {name} ... ok"),
            Err(_) => {
                println!("test {name} ... FAILED");
                failed.push(*name);
            }
        }
    }
    drop(world);
    println!("{ran} cases, {} failed: {}", failed.len(), failed.join(" "));
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Starts this test again in namespaces of its own.
fn enter() -> ExitCode {
    let me = std::env::current_exe().unwrap();
    let try_it =
        |args: &[&str]| Command::new("unshare").args(args).arg("true").status().is_ok_and(|s| s.success());
    let namespaces = ["--net", "--mount"];
    let as_root = ["--user", "--map-root-user", "--net", "--mount"];
    // Some servers need to be more than one user.
    let args: &[&str] = if try_it(&namespaces) {
        &namespaces
    } else if try_it(&as_root) {
        &as_root
    } else {
        eprintln!(
            "SKIPPED: egress: no namespaces for the test itself (unshare of util-linux, user namespaces)"
        );
        return ExitCode::SUCCESS;
    };
    let error =
        Command::new("unshare").args(args).arg(me).args(std::env::args().skip(1)).env(INSIDE, "1").exec();
    eprintln!("cannot start unshare: {error}");
    ExitCode::FAILURE
}
