//! Fuzzes the interpreter with its calls: whatever a module is, it is refused or runs to its end, soon, in bounded memory and without a
//! panic. Needs a build with the feature `wasm`.
#![cfg(feature = "wasm")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/fuzz.rs"]
mod fuzz;
#[path = "support/modules.rs"]
mod modules;

use std::path::Path;
use weft::policy::vars::Places;
use weft::policy::{Policy, load_text};
use weft::sandbox::wasm::{Outcome, try_module};

fn policy() -> Policy {
    let places = Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/ws"));
    load_text("fuzz", "version = 1\n", &places).unwrap()
}

#[test]
fn modules_of_any_bytes() {
    let policy = policy();
    let seeds = vec![
        modules::exits(7),
        modules::start_of(&[0x03, 0x40, 0x0c, 0x00, 0x0b]),
        modules::start_of(&[0x10, 0x01]),
        modules::with_tables(3, 1000),
        modules::with_memory(3),
        modules::importing("wasi_snapshot_preview1", "proc_raise"),
        modules::library(),
    ];
    let words: [&[u8]; 14] = [
        b"\0asm",
        b"\x01\0\0\0",
        b"_start",
        b"memory",
        b"proc_exit",
        b"sched_yield",
        b"\xff\xff\xff\xff\x0f",
        b"\x80\x80\x80\x80\x00",
        b"\x40\x00",
        b"\x3f\x00",
        b"\xfc\x0b\x00",
        b"\x0c\x00",
        b"\x60\x01\x7f\x01\x7f",
        b"\x0b\x0b",
    ];
    fuzz::run("wasm", &seeds, &words, |input| {
        let _ = try_module(&policy, input, 50_000, 4 << 20).unwrap();
    });
}

#[test]
fn every_beginning_of_a_module_is_refused_or_runs() {
    let policy = policy();
    let whole = modules::exits(7);
    for length in 0..whole.len() {
        let outcome = try_module(&policy, &whole[..length], 50_000, 4 << 20).unwrap();
        assert!(matches!(outcome, Outcome::NoProgram(_)), "{length}: {outcome:?}");
    }
    assert_eq!(try_module(&policy, &whole, 50_000, 4 << 20).unwrap(), Outcome::Exit(7));
}

/// Each call with arguments at the edges: nothing but an error number comes back, whatever they are.
#[test]
fn calls_with_any_arguments() {
    let policy = policy();
    for (name, arguments) in weft::sandbox::wasm::calls() {
        if name == "proc_exit" || name == "poll_oneoff" {
            continue;
        }
        for number in [0u32, 1, 3, 8, 65_535, 65_536, 0x7fff_ffff, 0xffff_ffff] {
            let module = modules::calling(name, arguments, number);
            let outcome = try_module(&policy, &module, 100_000, 4 << 20).unwrap();
            let fine = matches!(outcome, Outcome::Exit(0)) || name == "proc_raise";
            assert!(fine, "{name} {number}: {outcome:?}");
        }
    }
}
