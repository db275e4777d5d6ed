#!/usr/bin/env python3
"""Holds measurements to baseline.json.

    gate.py [--baseline FILE] [--write] [--reference FILE] GROUP:METRIC=NUMBER... [toolchain=TEXT]

Every metric there has `value` (what was measured when it was last changed), `noise` (how far above it a measurement may be, as
a share of it), and where there is one `aim` (what it is to reach) and `limit` (what it must never exceed). Above the noise or
the limit: exit 1. Above the aim: said loudly, for it is a promise not kept yet. --write sets the values, for a change that is
worth its cost; the reason belongs into the commit.

Values are of one compiler: `toolchain` of the group. Measured with another one, growth is not looked at, only the limit, and
that is said in a line that starts with SKIPPED. With --reference that is so only for what FILE does not have: it holds what the commit
before measured here, in the same words, and growth is against that, allowed as far as baseline.json itself was changed (its value now
over its value then, which FILE gives as GROUP:METRIC@baseline=NUMBER).
"""
import argparse
import json
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--baseline", default="baseline.json")
parser.add_argument("--write", action="store_true", help="set the values to what was measured")
parser.add_argument("--reference", metavar="FILE", help="what the commit before measured on this machine")
parser.add_argument("measure", nargs="+", metavar="GROUP:METRIC=NUMBER")
asked = parser.parse_args()


def pairs(lines):
    """NAME=NUMBER of each, and the toolchain they were measured with."""
    numbers, toolchain = {}, None
    for line in lines:
        name, _, value = line.strip().partition("=")
        if name == "toolchain":
            toolchain = value
            continue
        try:
            numbers[name] = float(value)
        except ValueError:
            sys.exit(f"weft: gate.py: {line}: use GROUP:METRIC=NUMBER")
    return numbers, toolchain


try:
    with open(asked.baseline, encoding="utf-8") as file:
        baseline = json.load(file)
    reference = {}
    if asked.reference:
        with open(asked.reference, encoding="utf-8") as file:
            reference, _ = pairs(file)
except (OSError, ValueError) as error:
    sys.exit(f"weft: gate.py: {error}")

numbers, toolchain = pairs(asked.measure)
failed, above, skipped = False, [], set()
for name, number in numbers.items():
    group, _, metric = name.partition(":")
    try:
        entry = baseline["metrics"][group][metric]
    except KeyError:
        sys.exit(f"weft: gate.py: {name}: {asked.baseline} has no such metric")
    if asked.write:
        entry["value"] = int(number)
        if toolchain:
            baseline["toolchain"][group] = toolchain
    value, words = entry["value"], []
    of = baseline["toolchain"].get(group)
    if name in reference:
        changed = value / reference.get(f"{name}@baseline", value)
        value = reference[name] * max(changed, 1)
    elif toolchain and of and toolchain != of:
        skipped.add((group, of))
        value = None
    if "limit" in entry and number > entry["limit"]:
        words.append(f"ABOVE THE LIMIT of {entry['limit']:,}")
        failed = True
    if value is not None and number > value * (1 + entry["noise"]):
        words.append(f"REGRESSION: {value * (1 + entry['noise']):,.0f} is allowed; make it smaller, or change {asked.baseline} in this change and say why")
        failed = True
    if value is not None and number < value * (1 - entry["noise"]):
        words.append("better: write it into the baseline, so that it stays")
    if "aim" in entry and number > entry["aim"]:
        words.append(f"ABOVE AIM: {entry['aim']:,}")
        above.append(name)
    share = "  (no baseline)" if value is None else f"{number / value:6.3f} of baseline" if value else ""
    print(f"{group:<13} {metric:<21} {number:>14,.0f}  {share:<18}  {'; '.join(words) or 'ok'}")
for group, of in sorted(skipped):
    print(f"SKIPPED: growth of {group} was not looked at: its baseline is of {of}, this is {toolchain}")
if above:
    print(f"ABOVE AIM: {', '.join(above)}")
if asked.write:
    with open(asked.baseline, "w", encoding="utf-8") as file:
        json.dump(baseline, file, indent=2)
        file.write("\n")
sys.exit(1 if failed else 0)
