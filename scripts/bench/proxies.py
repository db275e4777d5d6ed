"""Transfers and connections through weft's egress and through the filtering proxies of others, in turns: a CONNECT for each
connection, as programs do that know of a proxy. Each is told to let the same host through and nothing else.

Run by egress.sh, inside the namespaces that it makes: WEFT FOLDER ROUNDS. The folder has client.py and a policy, far.toml.
"""
import glob
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time

import samples

weft, work, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
BULK = 1 << 30
path = os.environ["PATH"] + ":/usr/sbin"
os.environ.update(HOME=work, PATH=path)
os.chdir(work + "/ws")
started = []


def put(name, text):
    """A file in the folder of this run."""
    with open(f"{work}/{name}", "w") as file:
        file.write(text)
    return f"{work}/{name}"


def client(*args):
    return ["/usr/bin/python3", work + "/client.py", *args]


def number(command):
    """What a client prints; None where it failed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def listens(port):
    for _ in range(200):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def proxy(port, command):
    """Starts one; gives how a client is run that uses it, or None."""
    started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    if not listens(port):
        return None
    return lambda *args: ["env", f"HTTPS_PROXY=http://127.0.0.1:{port}", *client(*args)]


def tinyproxy(program):
    allow = put("tiny.filter", "^far\\.test$\n")
    settings = f'Port 8101\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nFilter "{allow}"\nFilterDefaultDeny Yes\n'
    return proxy(8101, [program, "-d", "-c", put("tiny.conf", settings + "ConnectPort 7001\nConnectPort 7002\n")])


def squid(program):
    # It works under a user of its own.
    home = work + "/squid"
    os.mkdir(home)
    shutil.chown(home, "proxy")
    os.chmod(work, 0o755)
    settings = (
        "http_port 127.0.0.1:8102\nacl far dstdomain far.test\nhttp_access allow far\nhttp_access deny all\n"
        f"access_log none\ncache_log {home}/log\npid_filename none\ncache deny all\nhosts_file /etc/hosts\n"
        f"shutdown_lifetime 0 seconds\ncoredump_dir {home}\nnetdb_filename none\npinger_enable off\n"
    )
    return proxy(8102, [program, "-N", "-n", f"weftbench{os.getpid()}", "-f", put("squid.conf", settings)])


def srt(program):
    settings = {
        "network": {"allowedDomains": ["far.test"], "deniedDomains": []},
        "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []},
    }
    file = put("srt.json", json.dumps(settings))
    return lambda *args: [program, "-s", file, *client(*args)]


def main():
    tools = {"weft": lambda *args: [weft, "run", "--policy", f"{work}/far.toml", "--", *client(*args)]}
    for name, prepare in (("tinyproxy", tinyproxy), ("squid", squid), ("srt", srt)):
        program = shutil.which(name)
        if not program:
            samples.skipped(f"{name} as a proxy", "not installed")
        elif made := prepare(program):
            tools[name] = made
        else:
            samples.skipped(f"{name} as a proxy", "it did not start")
    bulk = {"direct": []} | {name: [] for name in tools}
    connect = {"direct": []} | {name: [] for name in tools}
    for _ in range(rounds):
        bulk["direct"].append(number(client("bulk", "far.test", str(BULK))))
        connect["direct"].append(number(client("connect", "far.test", "300")))
        for name, made in list(tools.items()):
            rate, delay = number(made("bulk-asked", "far.test", str(BULK))), number(made("connect-asked", "far.test", "300"))
            if rate is None or delay is None:
                samples.skipped(f"{name} as a proxy", "it does not let the connection through here")
                del tools[name], bulk[name], connect[name]
                continue
            bulk[name].append(rate)
            connect[name].append(delay)
    samples.keep("proxy", "Egress: 1 GiB by CONNECT", "ms", {name: [BULK / rate * 1000 for rate in rates] for name, rates in bulk.items()},
                 "direct", amount=BULK / 1e6, rate="MB/s", about="Through weft and through the filtering proxies of others, over a veth pair.")
    samples.keep("proxy_connect", "Egress: a connection by CONNECT, until the first byte", "ms",
                 {name: [delay * 1000 for delay in delays] for name, delays in connect.items()}, "direct", about="Each a median of 300.")
    print(f"\nproxy         throughput  first byte    (of direct, and over direct; medians of {rounds} rounds in turn)")
    for name in tools:
        share = statistics.median(mine / straight for mine, straight in zip(bulk[name], bulk["direct"]))
        over = statistics.median((mine - straight) * 1000 for mine, straight in zip(connect[name], connect["direct"]))
        print(f"{name:<12}  {share:10.2f}  {over:+7.3f} ms")


try:
    main()
finally:
    for process in started:
        process.terminate()
        process.wait()
    # What squid shares with itself outlives it.
    for left in glob.glob(f"/dev/shm/weftbench{os.getpid()}-*"):
        os.remove(left)
