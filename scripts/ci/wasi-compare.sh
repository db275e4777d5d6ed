#!/usr/bin/env bash
# Runs tests/fixtures/wasm/conform.c, which makes each call of WASI preview 1, under weft and under wasmtime, an independent runtime from
# the Python index: the same module, the same folder, the same arguments. Each line in which they differ has to be one that is known.
#
# Usage: scripts/ci/wasi-compare.sh [WEFT]     (default: target/debug/weft, built with the feature wasm)
set -euo pipefail
cd "$(dirname "$0")/../.."
weft=${1:-target/debug/weft}
command -v clang >/dev/null || { echo "SKIPPED: WASI beside wasmtime: clang is missing"; exit 0; }
[ -x "$weft" ] || { echo "weft: wasi-compare.sh: $weft: not there: cargo build --features wasm" >&2; exit 2; }
weft=$(realpath "$weft")
work=$(mktemp -d /var/tmp/weft-wasi.XXXXXX)
trap 'rm -rf "$work"' EXIT
venv=$PWD/target/wasmtime
if ! "$venv/bin/python" -c 'import wasmtime' 2>/dev/null; then
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --only-binary :all: wasmtime==50.0.1; } >/dev/null 2>&1; then
        echo "SKIPPED: WASI beside wasmtime: wasmtime could not be fetched"
        exit 0
    fi
fi
if ! clang --target=wasm32-wasi -O1 -w -o "$work/conform.wasm" tests/fixtures/wasm/conform.c 2>"$work/why"; then
    # Without its parts for WebAssembly: the test of the same module says what is missing.
    echo "SKIPPED: WASI beside wasmtime: clang compiles nothing for wasm32-wasi: $(head -n 1 "$work/why")"
    exit 0
fi
mkdir "$work/weft" "$work/wasmtime"
# shellcheck disable=SC2016 # the policy expands it
printf 'version = 1\n[sandbox]\ntype = "wasm"\n[filesystem]\nread = ["${WORKSPACE}", "%s"]\nwrite = ["${WORKSPACE}"]\n[env]\nset = { CONFORM = "yes" }\n' \
    "$work/conform.wasm" > "$work/policy.toml"
cat > "$work/compare.py" <<'PY'
import subprocess, sys, wasmtime
weft, work = sys.argv[1:]
module = work + "/conform.wasm"
# Where wasmtime's answer is another, and why weft keeps its own.
ABOVE = "WASI names ENOTCAPABLE for a path that leads out"
ONE = "one buffer of several at a time, which may be"
RIGHTS = "wasmtime has no rights any more, and the errors of its files"
KNOWN = {
    "path_create_directory, above": ABOVE,
    "path_create_directory, absolute": ABOVE,
    "path_remove_directory, above": ABOVE,
    "path_unlink_file, above": ABOVE,
    "path_open, above": ABOVE,
    "path_open, above from below": ABOVE,
    "path_open, absolute": ABOVE,
    "path_open, through a link that leads above": ABOVE,
    "path_filestat_get, above": ABOVE,
    "path_symlink, absolute": ABOVE,
    "path_symlink, at above": ABOVE,
    "path_link, above": ABOVE,
    "path_rename, above": ABOVE,
    "path_remove_directory, slash at its end": "rmdir(2) takes the slash",
    "fd_read, two buffers": ONE,
    "fd_pread": ONE,
    "fd_pwrite": ONE,
    "fd_write": ONE,
    "fd_readdir, a file": RIGHTS,
    "fd_read, a folder": RIGHTS,
    "fd_write, a folder": RIGHTS,
    "fd_seek, a folder": RIGHTS,
    "fd_filestat_set_size, opened for reading": RIGHTS,
    "fd_fdstat_set_rights, more": RIGHTS,
    "fd_allocate": "wasmtime does not offer it any more",
}
def theirs():
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = ["conform.wasm", "word"]
    wasi.env = [("CONFORM", "yes")]
    wasi.stdout_file = work + "/theirs"
    wasi.preopen_dir(work + "/wasmtime", ".")
    store.set_wasi(wasi)
    start = linker.instantiate(store, wasmtime.Module.from_file(engine, module)).exports(store)["_start"]
    try:
        start(store)
    except wasmtime.ExitTrap as ended:
        return ended.code, open(work + "/theirs").read().splitlines()
    sys.exit("wasmtime did not run it to its end")
def ours():
    command = [weft, "run", "--policy", work + "/policy.toml", "--", module, "word"]
    done = subprocess.run(command, cwd=work + "/weft", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 9:
        sys.exit(f"weft ended with {done.returncode}: {done.stderr}")
    return done.returncode, done.stdout.splitlines()
(code, here), (other, there) = ours(), theirs()
case = lambda line: line.partition(": ")[0]
assert code == other == 9 and len(here) > 200, (code, other, len(here))
assert [case(line) for line in here] == [case(line) for line in there], "they ran different cases"
differ = {case(a): (a, b) for a, b in zip(here, there) if a != b}
wrong = [f"{a}\n  wasmtime: {b}" for name, (a, b) in differ.items() if name not in KNOWN]
wrong += [f"{name}: no difference any more: {why}" for name, why in KNOWN.items() if name not in differ]
if wrong:
    sys.exit("weft: wasi-compare.sh: " + "\n".join(wrong))
print(f"{len(here)} answers, {len(differ)} cases known to differ, as with wasmtime else")
PY
"$venv/bin/python" "$work/compare.py" "$weft" "$work"
