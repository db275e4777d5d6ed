#!/usr/bin/env bash
# Measures WebAssembly programs: how long one takes to start, how fast a loop is beside wasmtime and native code, and what a
# limit on CPU time comes to. Everything in one session, because machines differ; says medians.
#
# Usage: scripts/bench/wasm.sh [WEFT]     (default: target/release/weft, built with the feature wasm)
#
# Needs clang with wasi-libc, and python3 -m venv; wasmtime comes from the Python index and is skipped where that cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/../.."
weft=${1:-target/release/weft}
command -v clang >/dev/null || { echo "SKIPPED: clang is missing"; exit 0; }
[ -x "$weft" ] || { echo "weft: wasm.sh: $weft: not there: cargo build --release --features wasm" >&2; exit 2; }
weft=$(realpath "$weft")
work=$(mktemp -d /var/tmp/weft-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT

# Integers, memory and calls: a sieve, a hash over what it leaves, and a recursion.
cat > "$work/loop.c" <<'C'
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static uint8_t sieve[1 << 20];
static __attribute__((noinline)) uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(int argc, char **argv) {
    uint32_t hash = 2166136261u;
    for (int rounds = atoi(argv[1]); rounds > 0; rounds--) {
        memset(sieve, 1, sizeof sieve);
        for (uint32_t i = 2; i * i < sizeof sieve; i++)
            if (sieve[i])
                for (uint32_t j = i * i; j < sizeof sieve; j += i)
                    sieve[j] = 0;
        for (uint32_t i = 0; i < sizeof sieve; i++)
            hash = (hash ^ sieve[i]) * 16777619u;
        hash ^= fib(24);
    }
    printf("%u\n", hash);
}
C
clang --target=wasm32-wasi -O2 -o "$work/loop.wasm" "$work/loop.c"
clang -O2 -o "$work/loop" "$work/loop.c"
# A module of 1 MB of code, of which a start needs little.
{
    echo '#include <stdio.h>'
    for n in $(seq 1700); do
        echo "unsigned f$n(unsigned a, unsigned b) { for (unsigned i = 0; i < b; i++) a = (a ^ $n) * $((n * 2654435761 % 4294967296))u + (a >> $((n % 13 + 3))) + i * $((n * 7919)); if (a & $n) a += b / ($n + (a & 15)); return a; }"
    done
    echo 'unsigned (*all[])(unsigned, unsigned) = {'
    for n in $(seq 1700); do echo "f$n,"; done
    printf '%s\n' '}; int main(int c, char **v) { printf("%u", all[c * 7](c, 3)); return 0; }'
} > "$work/large.c"
clang --target=wasm32-wasi -O2 -o "$work/large.wasm" "$work/large.c"
echo 'int main(void) { return 0; }' > "$work/small.c"
clang --target=wasm32-wasi -O2 -o "$work/small.wasm" "$work/small.c"
for kind in wasm combined; do
    # shellcheck disable=SC2016 # the policy expands it
    printf 'version = 1\n[sandbox]\ntype = "%s"\n[filesystem]\nread = ["${WORKSPACE}"]\n[audit]\nfile = "%s/log-%s.jsonl"\n' \
        "$kind" "$work" "$kind" > "$work/$kind.toml"
done
mkdir "$work/ws"
mv "$work"/*.wasm "$work/ws"
if python3 -m venv "$work/venv" >/dev/null 2>&1 && "$work/venv/bin/pip" install --quiet --only-binary :all: wasmtime >/dev/null 2>&1; then
    wasmtime=$work/venv/bin/python
else
    echo "SKIPPED: wasmtime could not be fetched"
    wasmtime=
fi
cat > "$work/time.py" <<'PY'
import os, statistics, subprocess, sys, time
weft, work, wasmtime = sys.argv[1:4]
ws = work + "/ws"
def run(*command):
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ws, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{command}: {done.returncode}: {done.stderr.decode()}")
    return took, done.stdout
def weft_run(kind, *words):
    return run(weft, "run", "--policy", f"{work}/{kind}.toml", "--", *words)
def cpu(count, act):
    import resource
    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
    each = []
    for _ in range(count):
        before = spent()
        act()
        each.append(spent() - before)
    return statistics.median(each)
def median(count, act):
    return statistics.median(act()[0] for _ in range(count))
print(f"weft {os.path.getsize(weft)} bytes; modules: small {os.path.getsize(ws + '/small.wasm')}, large {os.path.getsize(ws + '/large.wasm')}")
true = median(50, lambda: run("/bin/true"))
print(f"/bin/true {true * 1000:.2f} ms")
for kind in "wasm", "combined":
    small, large = (median(50, lambda: weft_run(kind, name)) for name in ("small.wasm", "large.wasm"))
    print(f"start, type {kind}: small {small * 1000:.2f} ms, large {large * 1000:.2f} ms, of which the module {(large - small) * 1000:.2f} ms")
    used = [cpu(30, lambda: weft_run(kind, name)) for name in ("small.wasm", "large.wasm")]
    print(f"  of CPU time, which a busy machine changes less: small {used[0] * 1000:.2f} ms, large {used[1] * 1000:.2f} ms")
rounds = "40"
outputs = set()
def told(result):
    outputs.add(result[1])
    return result
native = median(7, lambda: told(run(work + "/loop", rounds)))
ours = median(5, lambda: told(weft_run("wasm", "loop.wasm", rounds)))
print(f"loop: native {native * 1000:.0f} ms, weft {ours * 1000:.0f} ms ({ours / native:.1f} x)")
if wasmtime:
    text = """
import sys, time, wasmtime
engine = wasmtime.Engine()
module = wasmtime.Module.from_file(engine, "loop.wasm")
linker = wasmtime.Linker(engine)
linker.define_wasi()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.argv = ["loop.wasm", sys.argv[1]]
wasi.inherit_stdout()
store.set_wasi(wasi)
start = linker.instantiate(store, module).exports(store)["_start"]
began = time.perf_counter()
try:
    start(store)
except wasmtime.ExitTrap:
    pass
print(time.perf_counter() - began, file=sys.stderr)
"""
    def jit():
        done = subprocess.run([wasmtime, "-c", text, rounds], cwd=ws, capture_output=True, check=True)
        return told((float(done.stderr.split()[-1]), done.stdout))
    theirs = median(5, jit)
    print(f"loop: wasmtime {theirs * 1000:.0f} ms without its compiling ({theirs / native:.2f} x native); weft {ours / theirs:.1f} x wasmtime")
assert len(outputs) == 1, outputs
# What a limit on CPU time comes to: the loop is stopped long before its end.
for kind in "wasm", "combined":
    with open(f"{work}/limit.toml", "w") as policy:
        policy.write(open(f"{work}/{kind}.toml").read() + '[process]\nmax_cpu_time = "2s"\n')
    command = [weft, "run", "--policy", work + "/limit.toml", "--", "loop.wasm", "1000000"]
    def stopped():
        done = subprocess.run(command, cwd=ws, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 152 and b"max_cpu_time" in done.stderr, done
    print(f"max_cpu_time = 2s, type {kind}: stopped after {cpu(3, stopped):.2f} s of CPU time")
PY
python3 "$work/time.py" "$weft" "$work" "$wasmtime"
