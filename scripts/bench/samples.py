"""What the measuring scripts have in common: programs run in turns, and every sample kept for compare.py.

Not a program. In every round each program runs once, so that what else the machine does disturbs all of them alike, and the
numbers of a round belong together: a ratio is taken within a round, and what is told is the median of the rounds.

Where SAMPLES names a file, `keep` adds a line of JSON to it for each metric, and `skipped` one for what could not be measured.
PEERS names the peers that are wanted, WEFT_BEFORE an earlier binary that is measured as one of them.
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# How a sandbox is asked to run a command, in the way its own documentation shows first. None of them gets a policy as narrow as
# weft's: what they are asked for is less.
SANDBOXES = {
    "bwrap": ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
    "firejail": ["firejail", "--quiet"],
    "srt": ["srt"],
    "codex": ["codex", "sandbox"],
    "nono": ["nono", "run", "--silent", "--allow", ".", "--"],
    "sandlock": ["sandlock", "run", "-r", "/usr", "-r", "/lib", "-r", "/lib64", "-r", "/bin", "-r", "/etc", "-w", "/tmp", "--"],
    "landrun": ["landrun", "--rox", "/usr", "--rox", "/bin", "--rox", "/lib", "--rox", "/lib64"],
    "island": ["island", "run", "--"],
}
# How a scanner is asked for what is wrong in a folder ({}).
SCANNERS = {
    "cisco-ai-skill-scanner": ["cisco-ai-skill-scanner", "scan-all", "{}", "--recursive"],
    "skillscan-security": ["skillscan-security", "scan", "{}"],
    "skillspector": ["skillspector", "scan", "{}", "--no-llm"],
    "gitleaks": ["gitleaks", "dir", "--no-banner", "{}"],
    "betterleaks": ["betterleaks", "dir", "--no-banner", "{}"],
}


def peers(table):
    """Those of a table that are wanted and there; what is wanted and missing is said."""
    wanted = os.environ.get("PEERS")
    for name, command in table.items():
        if wanted is not None and name not in wanted.split():
            continue
        if shutil.which(command[0]):
            yield name, command
        else:
            skipped(name, "not installed: scripts/bench/peers.sh installs what can be had")


def once(command, codes=(0,), home=None):
    """Milliseconds from before the start of a program to after its end."""
    quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    quiet += [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_WRONLY, 0) for fd in (1, 2)]
    environment = dict(os.environ, HOME=home) if home else os.environ
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, environment, file_actions=quiet)
    status = os.waitpid(pid, 0)[1]
    took = (time.perf_counter() - start) * 1000
    if os.waitstatus_to_exitcode(status) not in codes:
        sys.exit(f"weft: {command}: ended with {os.waitstatus_to_exitcode(status)}")
    return took


def works(name, command, codes=(0,), home=None):
    """Whether a peer does what it is asked for here; if not, its own words are kept."""
    environment = dict(os.environ, HOME=home) if home else None
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120, check=False,
                              env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        skipped(name, str(error))
        return False
    if done.returncode in codes:
        return True
    said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    skipped(name, f"ends with {done.returncode} here: {said[-1].strip()[:160] if said else 'without a word'}")
    return False


def turns(commands, rounds, codes=(0,), few=None, homes=None, before=None):
    """Runs each of the commands (name to argv) once a round. `few` has fewer rounds for slow ones, `homes` a home folder for some;
    `before(name)` is called ahead of each run, outside the time."""
    took = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            if number < (few or {}).get(name, rounds):
                if before:
                    before(name)
                took[name].append(once(command, codes, (homes or {}).get(name)))
    return took


def memory(command, codes=(0,)):
    """The most memory a program had resident, in bytes, as /usr/bin/time -v tells; none without that program."""
    if not os.access("/usr/bin/time", os.X_OK):
        return None
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as told:
        done = subprocess.run(["/usr/bin/time", "-v", "-o", told.name, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False)
        most = re.search(r"Maximum resident set size \(kbytes\): (\d+)", told.read())
    if done.returncode not in codes or not most:
        sys.exit(f"weft: /usr/bin/time -v {command}: ended with {done.returncode}")
    return int(most[1]) * 1024


def ratio(ours, theirs):
    """Median of the ratios of the rounds that both have."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def note(line):
    path = os.environ.get("SAMPLES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def skipped(what, why):
    """Says what could not be measured, and why: once in a comparison."""
    line, path = {"skipped": what, "why": why}, os.environ.get("SAMPLES")
    if path and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if any(json.loads(said) == line for said in file):
                return
    print(f"SKIPPED: {what}: {why}")
    note(line)


def keep(name, title, unit, samples, reference=None, statistic="pairs", amount=None, rate=None, series=None, about=""):
    """Keeps a metric. Less is better in all of them: `samples` (subject to numbers) are times, bytes or the like.

    `statistic`: `least`, the ratio of the least of each, for what others on the machine can only make slower: programs from start to end.
    `pairs`, the median of the ratios to `reference` within each round, for rates. `amount` of `rate` in each run: told as amount a second besides.
    `series`: [x, subject to samples] for a curve; then the samples are those of its last point.
    """
    samples = {subject: numbers for subject, numbers in samples.items() if numbers}
    line = {"name": name, "title": title, "unit": unit, "reference": reference, "statistic": statistic, "samples": samples}
    line.update({key: value for key, value in {"amount": amount, "rate": rate, "series": series, "about": about}.items() if value})
    note({"metric": line})
