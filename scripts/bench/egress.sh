#!/usr/bin/env bash
# What the egress costs, in pairs within one run: throughput and latency against a direct connection over the same veth pair,
# memory of 2,000 open connections, start-up with a policy of 50 hosts against one without a network. Then beside the filtering proxies of
# others that are there (proxies.py).
# Needs root (two network namespaces); run it on an idle machine. Usage: scripts/bench/egress.sh [WEFT] [pairs of transfers] [of starts]
set -euo pipefail
here=$(realpath "$(dirname "$0")")
cd "$(dirname "$0")/../.."
weft=$(realpath "${1:-target/release/weft}")
[ -x "$weft" ] || { echo "weft: no binary at $weft: build it first: cargo build --release" >&2; exit 2; }
transfers=${2:-9} starts=${3:-200}
work=$(mktemp -d /var/tmp/weft-bench-egress.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ws"

cat > "$work/server.py" <<'PY'
"""Far side: a port that sends without end, and one that answers each byte."""
import socket, threading, sys
block = bytes(1 << 20)
def send(c):
    try:
        while True: c.sendall(block)
    except OSError: pass
def echo(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for data in iter(lambda: c.recv(64), b""): c.sendall(data)
    except OSError: pass
    c.close()
def serve(port, act):
    l = socket.create_server(("93.184.216.50", port), backlog=4096)
    while True: threading.Thread(target=act, args=(l.accept()[0],), daemon=True).start()
threading.Thread(target=serve, args=(7001, send), daemon=True).start()
threading.Thread(target=serve, args=(7002, echo), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
PY

cat > "$work/client.py" <<'PY'
"""Near side, the same program inside and outside: reads a number of bytes, or connects and exchanges one byte."""
import base64, os, socket, sys, time
from urllib.parse import unquote, urlsplit
what, host, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def asked(port):
    """A connection through the proxy that the environment names (RFC 9110, 9.3.6)."""
    proxy = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ["https_proxy"])
    s = socket.create_connection((proxy.hostname, proxy.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ask = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    if proxy.username:
        secret = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        ask += f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}\r\n"
    s.sendall(ask.encode() + b"\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        if not more: sys.exit(f"the proxy closed: {answer!r}")
        answer += more
    if b" 200 " not in answer.split(b"\r\n")[0]: sys.exit(f"the proxy says {answer!r}")
    return s
if what.startswith("bulk"):
    s = asked(7001) if what == "bulk-asked" else socket.create_connection((host, 7001))
    buffer = bytearray(1 << 20)
    s.recv_into(buffer)
    began, left = time.perf_counter(), count
    while left > 0: left -= s.recv_into(buffer)
    print(count / (time.perf_counter() - began))
elif what == "connect-asked":
    times = []
    for _ in range(count):
        began = time.perf_counter()
        s = asked(7002)
        s.sendall(b"x"); s.recv(1)
        times.append(time.perf_counter() - began)
        s.close()
    print(sorted(times)[len(times) // 2])
elif what == "connect":
    # The name is asked for once: connections are what is measured.
    address, times = socket.getaddrinfo(host, 7002)[0][4], []
    for _ in range(count):
        began = time.perf_counter()
        s = socket.create_connection(address)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(b"x"); s.recv(1)
        times.append(time.perf_counter() - began)
        s.close()
    print(sorted(times)[len(times) // 2])
else:
    held = [socket.create_connection((host, 7002)) for _ in range(count)]
    for s in held: s.sendall(b"x"); s.recv(1)
    print("open", flush=True)
    sys.stdin.read()
PY

cat > "$work/near.py" <<'PY'
import os, statistics, subprocess, sys, time
import samples
weft, work, transfers, starts = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
python = "/usr/bin/python3"
os.environ.update(HOME=work, PATH="/usr/local/bin:/usr/bin:/bin")
os.chdir(work + "/ws")
base = 'version = 1\nextends = ["coding-agent"]\n[filesystem]\nread = ["%s/client.py"]\n' % work
def policy(name, text):
    with open(f"{work}/{name}.toml", "w") as f: f.write(base + text)
    return f"{work}/{name}.toml"
far = policy("far", '[network]\nallow = [{ host = "far.test", ports = [7001, 7002], tls = false }]\n')
none = policy("none", "")
fifty = policy("fifty", "[network]\nallow = [\n" + "".join(f'  {{ host = "h{i}.example.com" }},\n' for i in range(50)) + "]\n")
def inside(p, *args): return [weft, "run", "--policy", p, "--", *args]
def client(direct, *args):
    command = [python, work + "/client.py", args[0], "far.test", *args[1:]]
    done = subprocess.run(command if direct else inside(far, *command), stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)
def pairs(count, what):
    for i in range(count):
        first = i % 2 == 0
        a = what(first); b = what(not first)
        yield (a, b) if first else (b, a)
rates = list(pairs(transfers, lambda direct: client(direct, "bulk", str(1 << 30))))
bulk = [b / a for a, b in rates]
samples.keep("egress", "Egress: 1 GiB through weft", "ms", {"weft": [(1 << 30) / b * 1000 for _, b in rates], "direct": [(1 << 30) / a * 1000 for a, _ in rates]},
             "direct", amount=(1 << 30) / 1e6, rate="MB/s", about="The same program inside and outside, over a veth pair.")
print(f"throughput   {statistics.median(bulk):.2f} of direct (median of {len(bulk)} pairs, {min(bulk):.2f} to {max(bulk):.2f})")
times = list(pairs(transfers, lambda direct: client(direct, "connect", "300")))
delay = [(b - a) * 1000 for a, b in times]
samples.keep("egress_connect", "Egress: a connection, until the first byte", "ms", {"weft": [b * 1000 for _, b in times], "direct": [a * 1000 for a, _ in times]},
             "direct", about="Each a median of 300.")
print(f"connection   {statistics.median(delay):+.3f} ms until the first byte (median of {len(delay)} pairs of medians of 300)")
script = 'ulimit -n 4096; exec %s %s/client.py hold far.test 2000' % (python, work)
run = subprocess.Popen(inside(far, "sh", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert run.stdout.readline() == "open\n"
rss = next(line for line in open(f"/proc/{run.pid}/status") if line.startswith("VmRSS")).split()[1]
print(f"memory       {int(rss) / 1024:.1f} MiB for 2,000 open connections")
samples.keep("egress_memory", "Memory: 2,000 open connections", "bytes", {"weft": [int(rss) * 1024]}, None, "least", about="VmRSS of weft.")
run.stdin.close(); run.wait()
def start(p):
    began = time.perf_counter()
    subprocess.run(inside(p, "/bin/true"), check=True)
    return (time.perf_counter() - began) * 1000
for p in (none, fifty): start(p)
both = list(pairs(starts, lambda first: start(none if first else fifty)))
samples.keep("egress_start", "Egress: start-up with 50 hosts in the policy", "ms", {"weft": [b for _, b in both], "no network": [a for a, _ in both]}, "no network", "least")
print(f"start-up     {statistics.median(b - a for a, b in both):+.2f} ms with 50 hosts (median of {len(both)} pairs)")
PY

export weft work here transfers starts PYTHONPATH="$here"
# shellcheck disable=SC2016 # it is the inner shell that expands
unshare --net --mount bash -ec '
    mount --make-rprivate /
    ip link set lo up
    coproc far { exec unshare --net bash -ec "echo there; read go; ip link set far up; ip address add 93.184.216.50/24 dev far; exec /usr/bin/python3 $work/server.py"; }
    read -r -u "${far[0]}" _
    ip link add near type veth peer name far netns "$far_PID"
    ip address add 93.184.216.1/24 dev near
    ip link set near up
    echo go >&"${far[1]}"
    read -r -u "${far[0]}" _
    printf "127.0.0.1 localhost\n93.184.216.50 far.test\n" > "$work/hosts"
    mount --bind "$work/hosts" /etc/hosts
    printf "hosts: files\n" > "$work/nsswitch"
    mount --bind "$work/nsswitch" /etc/nsswitch.conf
    /usr/bin/python3 "$work/near.py" "$weft" "$work" "$transfers" "$starts"
    /usr/bin/python3 "$here/proxies.py" "$weft" "$work" "$transfers"
    # The far side ends when this shell closes its input, and not before.
    echo done >&"${far[1]}"
'
