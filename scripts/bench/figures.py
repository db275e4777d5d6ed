"""The arithmetic of a comparison: samples to values, ratios, the words that gate.py is asked, and brunch's history file. Not a program.

A metric is what `samples.keep` wrote: less is better in all of them.
"""
import re
import statistics
import struct

# What a metric is called in baseline.json, where it is there under another name already.
ELSEWHERE = {"bytes": "default:bytes"}
# Told, and not held to anything: absolute times mean something else on every machine.
ABSOLUTE = {"hub_tail", "memory"}
REFERENCE = "reference: words of 64 KiB"


def value(metric, subject):
    """The number that is told of a subject, by the metric's statistic; see `samples.keep`."""
    numbers = metric["samples"][subject]
    return min(numbers) if metric["statistic"] == "least" else statistics.median(numbers)


def ratio(metric, subject, to=None):
    """A subject's share of the reference, or of another subject; none if one of them was not measured."""
    to = to or metric["reference"]
    samples = metric["samples"]
    if to is None or subject not in samples or to not in samples:
        return None
    if metric["statistic"] == "pairs":
        # Of the same round: what disturbed one disturbed the other.
        return statistics.median(a / b for a, b in zip(samples[subject], samples[to]))
    return value(metric, subject) / value(metric, to)


def spread(numbers):
    """Where the middle eight of ten samples lie."""
    ordered = sorted(numbers)
    return ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]


def short(value):
    """Three digits, with a letter for thousands."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def slug(name):
    """A name as a key of baseline.json."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def words(metrics, benches, subject="weft"):
    """GROUP:METRIC=NUMBER for gate.py: thousandths of the reference, or the value itself where there is none (of a share, thousandths)."""
    for metric in metrics:
        name = metric["name"]
        if name in ABSOLUTE or subject not in metric["samples"]:
            continue
        share = ratio(metric, subject)
        if name in ELSEWHERE:
            yield f"{ELSEWHERE[name]}={value(metric, subject):.0f}"
        elif share is not None:
            yield f"compare:{name}={share * 1000:.0f}"
        elif metric["reference"] is None:
            yield f"compare:{name}={value(metric, subject) * (1000 if metric['unit'] == 'share' else 1):.0f}"
    if subject == "weft" and REFERENCE in benches:
        for name, bench in benches.items():
            if name != REFERENCE:
                yield f"benches:{slug(name)}={bench['mean'] / benches[REFERENCE]['mean'] * 1000:.0f}"


def least(histories):
    """Of several runs of the same benchmarks, for each the one with the least mean."""
    found = {}
    for run in histories:
        for name, bench in run.items():
            if name not in found or bench["mean"] < found[name]["mean"]:
                found[name] = bench
    return found


def throughput(name, seconds):
    """What a benchmark's name says it does, a second: its bytes, or how often."""
    size = re.search(r"(\d+) (KiB|MiB)", name)
    if size:
        return int(size[1]) * {"KiB": 1024, "MiB": 1 << 20}[size[2]] / 1e6 / seconds, "MB/s"
    times = re.search(r"(\d+) times", name)
    return int(times[1] if times else 1) / seconds, "/s"


def history(data):
    """Brunch's history: `BRUNCH00`, then for each benchmark, big-endian: length of the name (u16), the name (UTF-8), samples and of them
    valid (u32 each), standard deviation and mean in seconds (f64 each)."""
    if data[:8] != b"BRUNCH00":
        raise ValueError("this is no history of brunch in format 00")
    found, at = {}, 8
    while at < len(data):
        try:
            (length,) = struct.unpack_from(">H", data, at)
            name = data[at + 2:at + 2 + length].decode("utf-8")
            total, valid, deviation, mean = struct.unpack_from(">IIdd", data, at + 2 + length)
        except (struct.error, UnicodeDecodeError) as error:
            raise ValueError(f"the history of brunch is not whole at byte {at}") from error
        at += 2 + length + 24
        if not 0 < valid <= total or not mean > 0 or not deviation >= 0:
            raise ValueError(f"the history of brunch makes no sense at {name!r}")
        found[name] = {"samples": total, "valid": valid, "deviation": deviation, "mean": mean}
    return found
