#!/usr/bin/env python3
"""Draws bench-comparison.json as SVG: one chart for each metric that has several subjects, one for a curve, one for the benches.

    charts.py bench-comparison.json FOLDER

Values are dots on a logarithmic axis, with a line over the middle eight of ten samples: times here lie up to a thousandfold apart. The
colours follow the reader's, light or dark; date and machine stand below.
"""
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

import figures
from figures import short

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 210, 130, 26, 64
STYLE = """<style>
.back{fill:#ffffff}.text{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}.other{fill:#6e7781;stroke:#6e7781}.weft{fill:#0969da;stroke:#0969da}
.reference{fill:#9a6700;stroke:#9a6700}text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}.title{font-size:15px;font-weight:600}
.small{font-size:11px}.line{fill:none;stroke-width:2}
@media(prefers-color-scheme:dark){.back{fill:#0d1117}.text{fill:#f0f6fc}.faint{fill:#9198a1}.grid{stroke:#3d444d}.other{fill:#9198a1;stroke:#9198a1}
.weft{fill:#4493f8;stroke:#4493f8}.reference{fill:#d29922;stroke:#d29922}}
</style>"""


class Axis:
    """A logarithmic axis over the decades that the values touch."""

    def __init__(self, values, start, end):
        values = [value for value in values if value > 0] or [1]
        self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.high = max(self.high, self.low + 1)
        self.start, self.end = start, end

    def at(self, value):
        share = (math.log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self):
        return [10.0**power for power in range(self.low, self.high + 1)]


def text(x, y, words, kind="text", anchor="start"):
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def frame(result, title, unit, height, parts):
    m = result["machine"]
    foot = f"{result['date'][:10]}, {m['processor']}, {m['cores']} cores, Linux {m['kernel']}" + (", a quick run" if result["quick"] else "")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
        STYLE, f'<rect class="back" width="{WIDTH}" height="{height}" rx="6"/>', text(16, 26, title, "text title"), text(16, 44, unit, "faint small"),
        *parts, text(16, height - 12, foot, "faint small"), "</svg>", ""])


def dots(result, title, unit, rows, left=LEFT):
    """`rows`: (name, class, value, low, high, what is told), the least first. `left`: room for names."""
    axis = Axis([value for row in rows for value in row[2:5]], left, WIDTH - RIGHT)
    bottom, parts = TOP + ROW * len(rows), []
    for tick in axis.ticks():
        x = axis.at(tick)
        parts += [f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{bottom}"/>', text(x, bottom + 16, short(tick), "faint small", "middle")]
    for number, (name, kind, value, low, high, told) in enumerate(rows):
        y = TOP + ROW * number + 12
        parts += [text(left - 12, y + 4, name, "text", "end"),
                  f'<line class="{kind}" stroke-width="3" stroke-opacity=".45" x1="{axis.at(low)}" x2="{axis.at(high)}" y1="{y}" y2="{y}"/>',
                  f'<circle class="{kind}" cx="{axis.at(value)}" cy="{y}" r="5"/>', text(WIDTH - 16, y + 4, told, "text", "end")]
    return frame(result, title, unit, bottom + 48, parts)


def curve(result, metric):
    """Time against the number of files, both logarithmic: parallel to the dashed line is linear."""
    counts, subjects = metric["series"]
    subjects = {name: [min(times) for times in all_] for name, all_ in subjects.items() if name != "before"}
    top, bottom, left, right = TOP, 330, 70, WIDTH - 120
    across = Axis(counts, left, right)
    up = Axis([value for values in subjects.values() for value in values], bottom, top)
    parts = []
    for tick in across.ticks():
        x = across.at(tick)
        parts += [f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>', text(x, bottom + 18, f"{tick:,.0f} files", "faint small", "middle")]
    for tick in up.ticks():
        y = up.at(tick)
        parts += [f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>', text(left - 8, y + 4, short(tick), "faint small", "end")]
    places = []
    for name, values in sorted(subjects.items(), key=lambda entry: -entry[1][-1]):
        kind = "weft" if name == "weft" else "reference" if name == "cat" else "other"
        points = " ".join(f"{across.at(count)},{up.at(value)}" for count, value in zip(counts, values))
        parts.append(f'<polyline class="{kind} line" points="{points}" style="fill:none"/>')
        parts += [f'<circle class="{kind}" cx="{across.at(count)}" cy="{up.at(value)}" r="4"/>' for count, value in zip(counts, values)]
        # Ends that lie close to each other: the names one below the other.
        y = up.at(values[-1]) + 4
        y = max([y] + [place + 16 for place in places])
        places.append(y)
        parts.append(text(right + 10, y, name))
    line = [subjects["weft"][-1] * count / counts[-1] for count in counts]
    shown = [(count, value) for count, value in zip(counts, line) if value >= 10**up.low]
    points = " ".join(f"{across.at(count)},{up.at(value)}" for count, value in shown)
    parts.append(f'<polyline class="line faint" style="fill:none" stroke="#8b949e" stroke-dasharray="4 4" points="{points}"/>')
    return frame(result, "Scan: time against the number of files", "milliseconds; dashed: exactly linear", bottom + 60, parts)


def kind(name, reference):
    return "weft" if name == "weft" else "reference" if name == reference else "other"


def draw(result, folder):
    """Writes the charts into a folder and tells their names by metric."""
    folder = pathlib.Path(folder)
    drawn = {}
    for metric in result["metrics"]:
        name = metric["name"]
        subjects = [subject for subject in metric["samples"] if subject != "before"]
        if "series" in metric and "weft" in metric["samples"]:
            picture = curve(result, metric)
        elif len(subjects) > 2:
            rows = []
            for subject in sorted(subjects, key=lambda subject: figures.value(metric, subject)):
                low, high = figures.spread(metric["samples"][subject])
                value = figures.value(metric, subject)
                told = f"{short(metric['amount'] / value * 1000)} {metric['rate']}" if "amount" in metric else f"{short(value / 1e6)} MB" if metric["unit"] == "bytes" else f"{short(value)} {metric['unit']}"
                rows.append((subject, kind(subject, metric["reference"]), value, min(low, value), high, told))
            unit = {"ms": "milliseconds", "bytes": "bytes"}.get(metric["unit"], metric["unit"])
            picture = dots(result, metric["title"], f"{unit}, logarithmic; less is better", rows)
        else:
            continue
        drawn[name] = f"{name}.svg"
        (folder / drawn[name]).write_text(picture, encoding="utf-8")
    if result["benches"]:
        rows = []
        for name, bench in result["benches"].items():
            amount, unit = figures.throughput(name, bench["mean"])
            low, high = max(bench["mean"] - bench["deviation"], bench["mean"] / 10) * 1000, (bench["mean"] + bench["deviation"]) * 1000
            rows.append((name, "reference" if name == figures.REFERENCE else "weft", bench["mean"] * 1000, low, high, f"{short(amount)} {unit}"))
        rows.sort(key=lambda row: row[2])
        picture = dots(result, "Parts of weft, each on its own", "milliseconds, logarithmic; mean and standard deviation", rows, 350)
        drawn["benches"] = "benches.svg"
        (folder / "benches.svg").write_text(picture, encoding="utf-8")
    return drawn


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: charts.py bench-comparison.json FOLDER")
    with open(sys.argv[1], encoding="utf-8") as given:
        draw(json.load(given), sys.argv[2])
