#!/usr/bin/env python3
"""Asks a search endpoint (MediaWiki or SearXNG, as JSON) and prints titles, addresses and summaries."""

import argparse
import html
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

ENDPOINT = "https://en.wikipedia.org/w/api.php"
# A longer answer is none that was asked for.
MOST = 4 * 1024 * 1024
MOST_RESULTS = 50


class Refused(Exception):
    """The endpoint or its answer cannot be used; the text says why."""


def plain(value, most):
    """One line of text without markup, and without characters that steer a terminal or hide text."""
    if not isinstance(value, str):
        return ""
    text = html.unescape(re.sub(r"<[^<>]*>", "", value[: most * 8]))
    text = " ".join("".join(c if c.isprintable() or c.isspace() else "" for c in text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def is_wiki(endpoint):
    """Whether the endpoint is one of MediaWiki."""
    return urllib.parse.urlsplit(endpoint).path.endswith("/api.php")


def question(endpoint, words, limit):
    """The URL that asks for the words."""
    parts = urllib.parse.urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise Refused(f"not the address of an endpoint: {plain(endpoint, 200)}")
    if is_wiki(endpoint):
        asked = {"action": "query", "list": "search", "format": "json", "utf8": "1", "srlimit": limit, "srsearch": words}
    else:
        asked = {"format": "json", "q": words}
    query = "&".join(part for part in (parts.query, urllib.parse.urlencode(asked)) if part)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def fetch(url, seconds):
    """The bytes of the answer."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "web-search-skill/1.0"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            data = answer.read(MOST + 1)
    except urllib.error.HTTPError as error:
        raise Refused(f"the endpoint answered {error.code}") from error
    except (OSError, ValueError) as error:
        raise Refused(f"the endpoint cannot be reached: {getattr(error, 'reason', error)}") from error
    if len(data) > MOST:
        raise Refused(f"the answer has more than {MOST >> 20} MiB")
    return data


def results(data, endpoint):
    """What is in an answer: a list of {title, url, summary}."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused("the answer is no JSON") from error
    answer = answer if isinstance(answer, dict) else {}
    query = answer.get("query")
    if isinstance(query, dict) and isinstance(query.get("search"), list):
        base = urllib.parse.urlsplit(endpoint)
        found = []
        for one in (one for one in query["search"] if isinstance(one, dict)):
            title = plain(one.get("title"), 200)
            page = "/wiki/" + urllib.parse.quote(title.replace(" ", "_"))
            url = urllib.parse.urlunsplit((base.scheme, base.netloc, page, "", ""))
            found.append({"title": title, "url": url, "summary": plain(one.get("snippet"), 400)})
        return found
    if isinstance(answer.get("results"), list):
        found = []
        for one in (one for one in answer["results"] if isinstance(one, dict)):
            url = plain(one.get("url"), 2000)
            # Other schemes are not pages of the web.
            if url.startswith(("https://", "http://")):
                found.append({"title": plain(one.get("title"), 200), "url": url, "summary": plain(one.get("content"), 400)})
        return found
    raise Refused("the answer is neither that of SearXNG nor that of MediaWiki")


def kept(name):
    """An answer that was kept."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(MOST)
        with open(name, "rb") as file:
            return file.read(MOST)
    except OSError as error:
        raise Refused(f"{name}: {error.strerror}") from error


def main():
    """Parses the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="what to look for")
    parser.add_argument("--url", default=os.environ.get("SEARCH_URL") or ENDPOINT, help="the endpoint (else $SEARCH_URL)")
    parser.add_argument("--file", help="an answer that was kept; - for standard input")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="so many results (10)")
    parser.add_argument("--timeout", type=int, default=20, metavar="SECONDS", help="of silence (20)")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    args = parser.parse_args()
    words = " ".join(args.words).strip()
    if not args.file and not words:
        parser.error("nothing to look for")
    limit = max(1, min(args.limit, MOST_RESULTS))
    try:
        data = kept(args.file) if args.file else fetch(question(args.url, words, limit), args.timeout)
        found = results(data, args.url)[:limit]
    except Refused as error:
        print(f"search: {error}", file=sys.stderr)
        return 2
    if args.format == "json":
        print(json.dumps({"query": words, "results": found}, indent=2))
    else:
        for number, one in enumerate(found, 1):
            print(f"{number}. {one['title']}\n   {one['url']}")
            if one["summary"]:
                print(f"   {one['summary']}")
    if not found:
        print("search: nothing found", file=sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
