#!/usr/bin/env python3
"""Draws terminal output (with ANSI colours) from standard input as an SVG picture on standard output.

    CLICOLOR_FORCE=1 weft security scan tests/fixtures/skills | scripts/terminal-svg.py '$ weft security scan …' > docs/scan.svg
"""
import html
import re
import sys

FOREGROUND, BACKGROUND = "#d7dae0", "#16181d"
COLOURS = {
    30: "#5c6370", 31: "#f0716f", 32: "#8cc570", 33: "#e5c07b", 34: "#6cb2f5", 35: "#cf8ef4", 36: "#56c2c9", 37: "#d7dae0",
    90: "#7f8694", 91: "#ff8785", 92: "#a5dd8a", 93: "#f5d591", 94: "#8cc8ff", 95: "#e0a9ff", 96: "#74dde3", 97: "#ffffff",
}
WIDTH, HEIGHT, PAD = 8.4, 19, 16


def runs(line):
    """(text, colour, bold) for every stretch of one style."""
    colour, bold, dim, at = None, False, False, 0
    for match in re.finditer(r"\x1b\[([0-9;]*)m", line):
        if match.start() > at:
            yield line[at:match.start()], colour, bold, dim
        for code in [int(c or 0) for c in match.group(1).split(";")]:
            if code == 0:
                colour, bold, dim = None, False, False
            elif code == 1:
                bold = True
            elif code == 2:
                dim = True
            elif code == 22:
                bold = dim = False
            elif code == 39:
                colour = None
            elif code == 41:
                # A background is drawn as the colour of the letters.
                colour = "#ff5c57"
            elif code in COLOURS and colour != "#ff5c57":
                colour = COLOURS[code]
        at = match.end()
    if at < len(line):
        yield line[at:], colour, bold, dim


def main():
    lines = sys.argv[1:2] + sys.stdin.read().rstrip("\n").split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    wide = max(map(len, plain)) * WIDTH + 2 * PAD
    high = len(lines) * HEIGHT + 2 * PAD
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high}" viewBox="0 0 {wide:.0f} {high}" role="img">'
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14" fill="{FOREGROUND}" xml:space="preserve">'
    )
    for row, line in enumerate(lines):
        y, column = PAD + (row + 0.75) * HEIGHT, 0
        parts = []
        for text, colour, bold, dim in runs(line):
            style = f' fill="{colour}"' if colour else ""
            style += ' font-weight="bold"' if bold else ""
            style += ' opacity="0.6"' if dim else ""
            parts.append(f'<tspan x="{PAD + column * WIDTH:.1f}"{style}>{html.escape(text)}</tspan>')
            column += len(text)
        if parts:
            print(f'<text y="{y:.1f}">{"".join(parts)}</text>')
    print("</g></svg>")


if __name__ == "__main__":
    main()
