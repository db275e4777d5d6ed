#!/usr/bin/env bash
# A hub under load, beside nginx that serves the same bytes as files (`weft hub export`), in turns within one run: requests a second
# for the description of a skill, throughput of packages, what the slowest in a hundred waits at half of that load, and the same
# while 2,000 slow connections are held. Needs nginx, wrk and python3; run it on an idle machine.
# Usage: scripts/bench/hub.sh [WEFT] [SECONDS]   (default: target/release/weft, 6)
set -euo pipefail
here=$(realpath "$(dirname "$0")")
cd "$(dirname "$0")/../.."
weft=$(realpath "${1:-target/release/weft}")
seconds=${2:-6}
[ -x "$weft" ] || { echo "hub.sh: $weft: not built: cargo build --release" >&2; exit 2; }
for program in nginx wrk python3; do
    command -v "$program" >/dev/null || { echo "hub.sh: $program: not installed" >&2; exit 2; }
done
ulimit -n 16384
work=$(mktemp -d /var/tmp/weft-bench-hub.XXXXXX)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
# Nginx as root gives its files to another user.
chmod 755 "$work"

python3 - "$work/skills" <<'PY'
import os, random, sys
random.seed(1)
words = "count words of text files reads tables makes lists of pages finds names in notes".split()
for number in range(300):
    folder = f"{sys.argv[1]}/skill-{number}"
    os.makedirs(folder)
    about = " ".join(random.choices(words, k=12))
    with open(f"{folder}/SKILL.md", "w") as page:
        page.write(f"---\nname: skill-{number}\ndescription: {about}\n---\n" + " ".join(random.choices(words, k=400)) + "\n")
folder = f"{sys.argv[1]}/large"
os.makedirs(folder)
with open(f"{folder}/SKILL.md", "w") as page:
    page.write("---\nname: large\ndescription: A large one\n---\nLarge.\n")
with open(f"{folder}/table.csv", "w") as table:
    for _ in range(60000):
        table.write(",".join(str(random.random()) for _ in range(2)) + "\n")
PY

"$weft" hub init --data "$work/hub" >/dev/null
"$weft" hub user add bench --data "$work/hub" >/dev/null
"$weft" hub import --data "$work/hub" --owner bench "$work"/skills/* >/dev/null
"$weft" hub serve --data "$work/hub" --listen 127.0.0.1:0 --limit per-address=8192 \
    --rate read=100000000/100000000 --rate download=100000000/100000000 >"$work/serve.txt" 2>&1 &
pids+=($!)
until hub=$(sed -n 's/^listening on //p' "$work/serve.txt") && [ -n "$hub" ]; do sleep 0.05; done
"$weft" hub export --data "$work/hub" --public-url "$hub" "$work/www" >/dev/null

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/nginx.conf" <<CONF
worker_processes auto;
worker_rlimit_nofile 16384;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 8192; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    types { application/json json; application/zip zip; }
    server { listen 127.0.0.1:$port backlog=4096; root $work/www; }
}
CONF
nginx -c "$work/nginx.conf" -e "$work/error.log" &
pids+=($!)
nginx=http://127.0.0.1:$port
until curl -sf -o "$work/theirs" "$nginx/api/static/skills/bench/skill-7.json"; do sleep 0.05; done
curl -sf -o "$work/ours" "$hub/api/v1/skills/skill-7?ownerHandle=bench"
cmp "$work/ours" "$work/theirs"

cat >"$work/bench.py" <<'PY'
import os, re, socket, statistics, subprocess, sys, threading, time
import samples
hub, nginx, seconds, work = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
def wrk(url, connections, rate=None):
    """Requests a second, bytes a second, and what 99 of 100 wait at most in milliseconds."""
    script = []
    if rate:
        with open(f"{work}/delay.lua", "w") as lua:
            lua.write(f"function delay() return {int(connections * 1000 / rate)} end\n")
        script = ["-s", f"{work}/delay.lua"]
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *script, url],
                         capture_output=True, text=True, check=True).stdout
    if re.search(r"Non-2xx|Socket errors", out):
        sys.exit("hub.sh: requests failed:\n" + out)
    requests = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    amount, unit = re.search(r"Transfer/sec:\s+([\d.]+)(\w+)", out).groups()
    tail, tail_unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", out).groups()
    return (requests, float(amount) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit],
            float(tail) * {"us": 0.001, "ms": 1, "s": 1000}[tail_unit])
pairs = {
    "description of a skill": ("/api/v1/skills/skill-7?ownerHandle=bench", "/api/static/skills/bench/skill-7.json"),
    "package of 1 MB": ("/api/v1/download?slug=large&ownerHandle=bench", "/api/static/skills/bench/large/1.0.0.zip"),
}
half = 0
for name, (ours, theirs) in pairs.items():
    rounds = []
    for _ in range(3):
        rounds.append((wrk(hub + ours, 64), wrk(nginx + theirs, 64)))
    part = 0 if "description" in name else 1
    ratio = statistics.median(mine[part] / other[part] for mine, other in rounds)
    size = (1, "requests/s") if part == 0 else (1, "MB/s")
    # What one request, or one megabyte, takes of the whole machine's time.
    scale = 1e3 if part == 0 else 1e9
    samples.keep("hub_" + ("requests" if part == 0 else "packages"), "Hub: " + name, "ms",
                 {"weft": [scale / mine[part] for mine, _ in rounds], "nginx": [scale / other[part] for _, other in rounds]},
                 "nginx", amount=size[0], rate=size[1], about="wrk, 64 connections; nginx serves the same bytes as files.")
    mine = statistics.median(mine[part] for mine, _ in rounds)
    other = statistics.median(other[part] for _, other in rounds)
    print(f"{name}: hub / nginx {ratio:.2f}   ({mine:,.0f} and {other:,.0f} {'requests' if part == 0 else 'bytes'} a second)")
    if part == 0:
        half = mine / 2
reached, _, tail = wrk(hub + pairs["description of a skill"][0], 256, half)
samples.keep("hub_tail", "Hub: 99 of 100 wait at most, at half of the load", "ms", {"weft": [tail]}, None, "least")
print(f"at half of that load ({reached:,.0f} requests a second): 99 of 100 wait at most {tail:.1f} ms")

# Connections that send a byte of their head each second.
host, port = hub.removeprefix("http://").split(":")
held = []
for _ in range(2000):
    s = socket.create_connection((host, int(port)))
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    held.append(s)
stop = threading.Event()
def drip():
    while not stop.wait(1):
        for s in held:
            try: s.sendall(b"a")
            except OSError: pass
threading.Thread(target=drip, daemon=True).start()
_, _, tail = wrk(hub + pairs["description of a skill"][0], 64, half / 2)
print(f"with 2,000 slow connections, at a quarter of that load: 99 of 100 others wait at most {tail:.1f} ms")
stop.set()
PY
PYTHONPATH=$here python3 "$work/bench.py" "$hub" "$nginx" "$seconds" "$work"
