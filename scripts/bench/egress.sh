#!/usr/bin/env bash
# What the egress costs, in pairs within one run: throughput and latency against a direct connection over the same veth pair,
# memory of 2,000 open connections, start-up with a policy of 50 hosts against one without a network. Then the same transfers through
# the filtering proxies of others that are installed (tinyproxy, squid, and srt of sandbox-runtime, which is looked for in PATH and in
# $PEERS/node_modules/.bin), each told to let the same host through and nothing else.
# Needs root (two network namespaces); run it on an idle machine. Usage: scripts/bench/egress.sh [WEFT]
set -euo pipefail
cd "$(dirname "$0")/../.."
weft=$(realpath "${1:-target/release/weft}")
[ -x "$weft" ] || { echo "weft: no binary at $weft: build it first: cargo build --release" >&2; exit 2; }
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
import glob, json, os, shutil, socket, statistics, subprocess, sys, time
weft, work = sys.argv[1], sys.argv[2]
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
bulk = [b / a for a, b in pairs(9, lambda direct: client(direct, "bulk", str(1 << 30)))]
print(f"throughput   {statistics.median(bulk):.2f} of direct (median of {len(bulk)} pairs, {min(bulk):.2f} to {max(bulk):.2f})")
delay = [(b - a) * 1000 for a, b in pairs(9, lambda direct: client(direct, "connect", "300"))]
print(f"connection   {statistics.median(delay):+.3f} ms until the first byte (median of {len(delay)} pairs of medians of 300)")
script = 'ulimit -n 4096; exec %s %s/client.py hold far.test 2000' % (python, work)
run = subprocess.Popen(inside(far, "sh", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert run.stdout.readline() == "open\n"
rss = next(line for line in open(f"/proc/{run.pid}/status") if line.startswith("VmRSS")).split()[1]
print(f"memory       {int(rss) / 1024:.1f} MiB for 2,000 open connections")
run.stdin.close(); run.wait()
def start(p):
    began = time.perf_counter()
    subprocess.run(inside(p, "/bin/true"), check=True)
    return (time.perf_counter() - began) * 1000
for p in (none, fifty): start(p)
starts = [b - a for a, b in pairs(200, lambda first: start(none if first else fifty))]
print(f"start-up     {statistics.median(starts):+.2f} ms with 50 hosts (median of {len(starts)} pairs)")

# Beside the proxies of others: a CONNECT for each connection, as programs do that know of a proxy.
def put(name, text):
    with open(f"{work}/{name}", "w") as f: f.write(text)
    return f"{work}/{name}"
def asking(*args): return [python, work + "/client.py", *args]
def plain(port, *args): return ["env", f"HTTPS_PROXY=http://127.0.0.1:{port}", *asking(*args)]
tools = {"weft": lambda *args: inside(far, *asking(*args))}
started = []
def listens(port):
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0: return True
        time.sleep(0.05)
    return False
def proxy(name, port, command):
    started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    if listens(port): tools[name] = lambda *args: plain(port, *args)
    else: print(f"{name}: did not start: left out")
if found := shutil.which("tinyproxy"):
    allow = put("tiny.filter", "^far\\.test$\n")
    conf = put("tiny.conf", f'Port 8101\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nFilter "{allow}"\nFilterDefaultDeny Yes\n'
               "ConnectPort 7001\nConnectPort 7002\n")
    proxy("tinyproxy", 8101, [found, "-d", "-c", conf])
if found := shutil.which("squid") or shutil.which("squid", path="/usr/sbin"):
    # It works under a user of its own, and leaves what it shares with itself behind when it is ended.
    home, service = work + "/squid", f"weftbench{os.getpid()}"
    os.mkdir(home)
    shutil.chown(home, "proxy")
    os.chmod(work, 0o755)
    conf = put("squid.conf", f"http_port 127.0.0.1:8102\nacl far dstdomain far.test\nhttp_access allow far\nhttp_access deny all\n"
               f"access_log none\ncache_log {home}/log\npid_filename none\ncache deny all\nhosts_file /etc/hosts\n"
               f"shutdown_lifetime 0 seconds\ncoredump_dir {home}\nnetdb_filename none\npinger_enable off\n")
    proxy("squid", 8102, [found, "-N", "-n", service, "-f", conf])
if found := shutil.which("srt", path=os.environ["PATH"] + ":" + os.path.join(os.environ.get("PEERS", work), "node_modules/.bin")):
    settings = put("srt.json", json.dumps({"network": {"allowedDomains": ["far.test"], "deniedDomains": []},
                   "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []}}))
    tools["srt"] = lambda *args: [found, "-s", settings, *asking(*args)]
def measured(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return float(done.stdout) if done.returncode == 0 else None
for name, path in (("tinyproxy", None), ("squid", "/usr/sbin"), ("srt", None)):
    if name not in tools and not shutil.which(name) and not (path and shutil.which(name, path=path)): print(f"{name}: not installed: left out")
results = {name: ([], []) for name in tools}
for _ in range(5):
    straight = (client(True, "bulk", str(1 << 30)), client(True, "connect", "300"))
    for name, made in list(tools.items()):
        bulk = measured(made("bulk-asked", "far.test", str(1 << 30)))
        delay = measured(made("connect-asked", "far.test", "300"))
        if bulk is None or delay is None:
            print(f"{name}: does not let the connection through here: left out")
            del tools[name], results[name]
            continue
        results[name][0].append(bulk / straight[0])
        results[name][1].append((delay - straight[1]) * 1000)
print("\nproxy         throughput  first byte    (of direct, and over direct; medians of 5 rounds in turn)")
for name, (bulk, delay) in results.items():
    print(f"{name:<12}  {statistics.median(bulk):10.2f}  {statistics.median(delay):+7.3f} ms")
for process in started:
    process.terminate()
    process.wait()
for left in glob.glob(f"/dev/shm/weftbench{os.getpid()}-*"): os.remove(left)
PY

export weft work PEERS="${PEERS:-}"
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
    /usr/bin/python3 "$work/near.py" "$weft" "$work"
    # The far side ends when this shell closes its input, and not before.
    echo done >&"${far[1]}"
'
