#!/usr/bin/env bash
# Looks at the pages of a hub in a real browser: starts one with a few skills on loopback, and has Chromium take pictures of its pages,
# light and dark, wide and as a phone shows them. Needs chromium.
#
# Usage: scripts/hub-screenshots.sh [WEFT] [FOLDER]     (default: target/release/weft, docs/images)
set -euo pipefail
cd "$(dirname "$0")/.."
weft=$(realpath "${1:-target/release/weft}")
out=$(realpath -m "${2:-docs/images}")
[ -x "$weft" ] || { echo "hub-screenshots.sh: $weft: not built: cargo build --release" >&2; exit 2; }
command -v chromium >/dev/null || { echo "hub-screenshots.sh: chromium: not installed" >&2; exit 2; }
work=$(mktemp -d /var/tmp/weft-screenshots.XXXXXX)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
export HOME=$work/home
mkdir -p "$HOME" "$out"
cd "$work"
: >serve.txt
"$weft" hub serve --init --data hub --listen 127.0.0.1:0 >serve.txt 2>serve.log &
server=$!
until hub=$(sed -n 's/^listening on //p' serve.txt) && [ -n "$hub" ]; do sleep 0.05; done
"$weft" hub user add alice --data hub
token=$("$weft" hub token add alice --data hub --format json 2>/dev/null | sed -n 's/.*"token": "\([^"]*\)".*/\1/p')
export CLAWHUB_REGISTRY=$hub
"$weft" skill login --token "$token"
"$weft" skill keygen

# skill NAME ABOUT TITLE, and more of its page on standard input
skill() {
    mkdir -p "skills/$1"
    { printf -- '---\nname: %s\ndescription: %s\ntags: [text]\n---\n# %s\n\n' "$1" "$2" "$3"; cat; } >"skills/$1/SKILL.md"
}
skill pdf-words 'Counts the words of PDF files, by page and in all' 'PDF words' <<'PAGE'
Counts the words of a PDF.

| option | meaning |
| --- | --- |
| `--pages` | count by page |

```sh
python3 count.py report.pdf
```

- see [the script](count.py)
- needs **pdftotext**
PAGE
cat >skills/pdf-words/count.py <<'SCRIPT'
import subprocess, sys
text = subprocess.run(["pdftotext", sys.argv[1], "-"], capture_output=True, text=True).stdout
print(len(text.split()))
SCRIPT
skill table-maker 'Makes a table of what stands in lists' 'Tables' <<<'Give it a list.'
skill note-finder 'Finds a note by what it is about, not by its name' 'Notes' <<<'Ask for a note.'
for name in note-finder table-maker pdf-words; do "$weft" skill publish "skills/$name"; done
echo 'Counts tables as well.' >>skills/pdf-words/SKILL.md
"$weft" skill publish skills/pdf-words --changelog 'counts tables as well'

# picture NAME PATH SIZE [OPTION...]
picture() {
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$work/profile" --hide-scrollbars "${@:4}" \
        --window-size="$3" --screenshot="$out/$1.png" "$hub$2" >"$work/chromium.log" 2>&1 || { cat "$work/chromium.log" >&2; exit 1; }
    # One colour compresses to next to nothing.
    [ "$(stat -c %s "$out/$1.png")" -gt 8000 ] || { echo "hub-screenshots.sh: $out/$1.png shows nothing" >&2; exit 1; }
}
picture hub-front / 1000,640
picture hub-skill /alice/skills/pdf-words 1000,1700
picture hub-phone /alice/skills/pdf-words 500,1000 --blink-settings=preferredColorScheme=0
echo "pictures of a hub's pages are in $out"
