//! Every call of WASI preview 1: `conform.c` makes it, `conform.txt` says what has to come of it. That others answer the same is
//! `scripts/ci/wasi-compare.sh`.

use super::{Home, TYPES, compiled};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

#[test]
fn each_call_gives_what_wasi_says() {
    static MODULE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let Some(module) = MODULE.get_or_init(|| compiled("conform")) else { return };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wasm");
    let expected = fs::read_to_string(fixtures.join("conform.txt")).unwrap();
    for kind in TYPES {
        let home = Home::new();
        fs::create_dir(home.at("empty")).unwrap();
        fs::copy(module, home.at("conform.wasm")).unwrap();
        let text = format!(
            "version = 1\n[sandbox]\ntype = \"{kind}\"\n[filesystem]\nread = [\"{0}/empty\", \"{0}/conform.wasm\"]\n\
             write = [\"{0}/empty\"]\n[env]\nset = {{ CONFORM = \"yes\" }}\n",
            home.0.display()
        );
        let policy = home.at("conform.toml");
        fs::write(&policy, text).unwrap();
        let module = home.at("conform.wasm");
        let ended = home.run_in("empty", &policy, &[module.to_str().unwrap(), "all"]);
        assert_eq!(ended.code, 9, "{kind}: {}{}", ended.out, ended.err);
        // Behind the kernel's walls an empty folder holds the name of the policy file.
        let out = ended.out.replace(", 3 weft.toml", "");
        for (number, (is, should)) in out.lines().zip(expected.lines()).enumerate() {
            assert_eq!(is, should, "{kind}: conform.txt:{}", number + 1);
        }
        assert_eq!(out, expected, "{kind}");
        assert_eq!(fs::read_dir(home.at("empty")).unwrap().count(), 0, "{kind}");
    }
}

#[test]
fn the_program_makes_every_call() {
    let source = include_str!("../fixtures/wasm/conform.c");
    for (name, _) in weft::sandbox::wasm::calls() {
        // The header of this wasi-libc has no more proc_raise; tests/fuzz_wasm.rs calls it.
        assert!(name == "proc_raise" || source.contains(&format!("__wasi_{name}(")), "{name}");
    }
}
