#!/usr/bin/env python3
"""Makes of what was measured one JSON file and a page in Markdown, and holds it to baseline.json (gate.py). compare.sh calls it.

    compare.py --samples FILE --weft PATH --out FOLDER [--history FILE] [--versions FILE] [--quick] [--write] [--load TEXT]
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import struct
import subprocess
import sys
import tempfile

import charts
import figures

HERE = pathlib.Path(__file__).parent


def machine():
    def first(path, key):
        with open(path, encoding="utf-8") as file:
            return next((line.split(sep, 1)[1].strip().strip('"') for line in file for sep in ":=" if line.startswith(key) and sep in line), "unknown")
    model = first("/proc/cpuinfo", "model name")
    return {
        "processor": model if model != "unknown" else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "distribution": first("/etc/os-release", "PRETTY_NAME"),
    }


def is_static(path):
    """Whether an ELF file names no interpreter: no loader runs before it."""
    with open(path, "rb") as file:
        head = file.read(64)
        (at,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
        file.seek(at)
        table = file.read(size * count)
    return all(struct.unpack_from("<I", table, size * number)[0] != 3 for number in range(count))


def number(value, unit):
    if unit == "bytes":
        return f"{value / 1e6:,.2f} MB"
    if unit == "share":
        return f"{value:.2f}"
    return f"{value:,.3f} {unit}" if value < 1 else f"{value:,.2f} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def rate(metric, subject):
    per_second = metric["amount"] / (figures.value(metric, subject) / 1000)
    return f"{per_second:,.0f} {metric['rate']}" if per_second >= 100 else f"{figures.short(per_second)} {metric['rate']}"


def told(metric, subject):
    text = number(figures.value(metric, subject), metric["unit"])
    return f"{rate(metric, subject)} ({text})" if "amount" in metric else text


def page(result, charts):
    m = result["machine"]
    quick = " A quick run: fewer rounds, so numbers that move more." if result["quick"] else ""
    lines = [
        "# weft, measured beside others", "",
        f"Measured on {result['date'][:10]}: {m['processor']}, {m['cores']} cores, {m['memory'] / 2**30:.0f} GiB, Linux {m['kernel']}, {m['distribution']}; "
        f"load {result['load']}.{quick} What the numbers mean, and how to measure again: [README.md](README.md). Written by `scripts/bench/compare.sh`.", "",
        "## weft and its reference", "", "| | weft | reference | | ratio |", "| --- | --: | --- | --: | --: |",
    ]
    for metric in result["metrics"]:
        if "weft" not in metric["samples"]:
            continue
        to, share = metric["reference"], figures.ratio(metric, "weft")
        against = told(metric, to) if to and to in metric["samples"] else ""
        lines.append(f"| {metric['title']} | {told(metric, 'weft')} | {to or ''} | {against} | {'' if share is None else f'{share:.3f}'} |")
    if any("before" in metric["samples"] for metric in result["metrics"]):
        lines += ["", "## The commit before", "", "In turns in the same run.", "", "| | before | now | now / before |", "| --- | --: | --: | --: |"]
        for metric in result["metrics"]:
            share = figures.ratio(metric, "weft", "before")
            if share is not None:
                lines.append(f"| {metric['title']} | {told(metric, 'before')} | {told(metric, 'weft')} | {share:.3f} |")
    for metric in result["metrics"]:
        others = [name for name in metric["samples"] if name != "before"]
        if len(others) < 3 and "series" not in metric:
            continue
        lines += ["", f"## {metric['title']}", ""]
        if metric.get("about"):
            lines += [metric["about"], ""]
        chart = charts.get(metric["name"])
        if chart:
            lines += [f"![{metric['title']}]({chart})", ""]
        lines += [f"| | {metric['statistic'].replace('pairs', 'median')} | median | eight of ten samples | samples | of weft |", "| --- | --: | --: | --: | --: | --: |"]
        for name in sorted(others, key=lambda name: figures.value(metric, name)):
            low, high = figures.spread(metric["samples"][name])
            of = figures.ratio(metric, name, "weft")
            lines.append(f"| {name} | {told(metric, name)} | {number(statistics.median(metric['samples'][name]), metric['unit'])} | {number(low, metric['unit'])} – {number(high, metric['unit'])} | {len(metric['samples'][name])} | {'' if of is None else f'{of:.2f} ×'} |")
    if result["benches"]:
        base = result["benches"].get(figures.REFERENCE)
        lines += ["", "## Parts, each on its own", "", "`cargo bench`; the least of three runs, of each the mean of the samples that brunch holds for valid; and its share of a loop over the words of 64 KiB.", ""]
        if "benches" in charts:
            lines += [f"![parts of weft]({charts['benches']})", ""]
        lines += ["| | mean | throughput | of the loop |", "| --- | --: | --: | --: |"]
        for name, bench in result["benches"].items():
            amount, unit = figures.throughput(name, bench["mean"])
            share = bench["mean"] / base["mean"] if base else None
            lines.append(f"| {name} | {number(bench['mean'] * 1000, 'ms')} | {amount:,.0f} {unit} | {'' if share is None else f'{share:.3f}'} |")
    lines += ["", "## What was measured with what", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {version} |" for name, version in result["versions"].items()]
    if result["skipped"]:
        lines += ["", "Not measured here:", ""]
        lines += [f"- {entry['skipped']}: {entry['why']}" for entry in result["skipped"]]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True)
    parser.add_argument("--weft", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--history", nargs="+", help="brunch's, of one or several runs", default=[])
    parser.add_argument("--versions")
    parser.add_argument("--load", default="unknown")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--baseline", default="baseline.json")
    parser.add_argument("--before-baseline", help="baseline.json of the commit before")
    asked = parser.parse_args()

    metrics, skipped = [], []
    with open(asked.samples, encoding="utf-8") as file:
        for line in map(json.loads, file):
            if "metric" in line:
                metrics.append(line["metric"])
            elif line not in skipped:
                skipped.append(line)
    benches = figures.least(figures.history(pathlib.Path(path).read_bytes()) for path in asked.history)
    said = lambda command: subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    versions = {"weft": said([asked.weft, "--version"]), "rustc": said([os.environ.get("RUSTC", "rustc"), "--version"])}
    if asked.versions:
        with open(asked.versions, encoding="utf-8") as file:
            versions.update(line.strip().split(None, 1) for line in file if len(line.split(None, 1)) == 2 and not line.startswith(("SKIPPED", "==>")))
    result = {
        "format": 1, "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), "quick": asked.quick, "load": asked.load,
        "machine": machine(), "versions": versions, "metrics": metrics, "benches": benches, "skipped": skipped,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "bench-comparison.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    drawn = charts.draw(result, asked.out)
    (asked.out / "results.md").write_text(page(result, drawn), encoding="utf-8")

    if not is_static(asked.weft):
        print("SKIPPED: growth: baseline.json is of the static binary (scripts/build/static.sh default), this one is not")
        return 0
    vectors = " with AVX2" if "avx2" in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split() else ""
    words = list(figures.words(metrics, benches)) + [f"toolchain={versions['rustc']}, {platform.machine()}{vectors}"]
    options = ["--baseline", asked.baseline] + (["--write"] if asked.write else [])
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as reference:
        before = list(figures.words(metrics, {}, "before"))
        if before:
            lines = before
            if asked.before_baseline:
                with open(asked.before_baseline, encoding="utf-8") as file:
                    groups = json.load(file)["metrics"]
                lines = before + [f"{group}:{name}@baseline={entry['value']}" for group, entries in groups.items() for name, entry in entries.items()]
            reference.write("\n".join(lines) + "\n")
            reference.flush()
            options += ["--reference", reference.name]
        return subprocess.run([sys.executable, str(HERE / "gate.py"), *options, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
