#!/usr/bin/env python3
"""Holds measurements to baseline.json.

    gate.py [--baseline FILE] [--write] GROUP:METRIC=NUMBER...

Every metric there has `value` (what was measured when it was last changed), `noise` (how far above it a measurement may be, as
a share of it), and where there is one `aim` (what it is to reach) and `limit` (what it must never exceed). Above the noise or
the limit: exit 1. Above the aim: said. --write sets the values, for a change that is worth its cost; the reason belongs into
the commit.
"""
import argparse
import json
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--baseline", default="baseline.json")
parser.add_argument("--write", action="store_true", help="set the values to what was measured")
parser.add_argument("measure", nargs="+", metavar="GROUP:METRIC=NUMBER")
asked = parser.parse_args()

with open(asked.baseline, encoding="utf-8") as file:
    baseline = json.load(file)
failed = False
for measure in asked.measure:
    try:
        name, number = measure.split("=")
        group, metric = name.split(":")
        number = float(number)
        entry = baseline["metrics"][group][metric]
    except (ValueError, KeyError):
        sys.exit(f"weft: gate.py: {measure}: use GROUP:METRIC=NUMBER with a metric of {asked.baseline}")
    if asked.write:
        entry["value"] = int(number) if number.is_integer() else number
    value, allowed = entry["value"], entry["value"] * (1 + entry["noise"])
    words = []
    if "limit" in entry and number > entry["limit"]:
        words.append(f"ABOVE THE LIMIT of {entry['limit']:,}")
        failed = True
    if number > allowed:
        words.append(f"REGRESSION: {allowed:,.0f} is allowed; change baseline.json in this change, with the reason, or make it smaller")
        failed = True
    if "aim" in entry and number > entry["aim"]:
        words.append(f"not at its aim of {entry['aim']:,} yet")
    print(f"{group:<13} {metric:<22} {number:>14,.0f}  {number / value:6.3f} of baseline  {'; '.join(words) or 'ok'}")
if asked.write:
    with open(asked.baseline, "w", encoding="utf-8") as file:
        json.dump(baseline, file, indent=2)
        file.write("\n")
sys.exit(1 if failed else 0)
