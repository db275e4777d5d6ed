#!/usr/bin/env python3
"""Is what compare.py says what was measured? Its arithmetic, brunch's file, and whole runs on samples made here."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import charts  # noqa: E402
import compare  # noqa: E402
import figures  # noqa: E402
import samples as measuring  # noqa: E402


def metric(statistic="pairs", reference="cat", unit="ms", name="scan", **samples):
    return {"name": name, "title": name, "unit": unit, "reference": reference, "statistic": statistic, "samples": samples}


class Arithmetic(unittest.TestCase):
    def test_a_ratio_is_taken_within_a_round(self):
        # The machine was busy in the second round: the ratio of the medians would be 5, of the means 7.
        busy = metric(weft=[2.0, 50.0, 10.0], cat=[1.0, 10.0, 2.0])
        self.assertEqual(figures.ratio(busy, "weft"), 5.0)
        uneven = metric(weft=[4.0, 100.0, 3.0], cat=[2.0, 40.0, 1.0])
        self.assertEqual(figures.ratio(uneven, "weft"), 2.5)

    def test_a_slow_one_with_fewer_rounds_is_held_against_those(self):
        few = metric(srt=[100.0, 300.0], cat=[1.0, 1.0, 100.0, 100.0])
        self.assertEqual(figures.ratio(few, "srt"), 200.0)

    def test_the_least_of_each(self):
        self.assertEqual(figures.ratio(metric("least", weft=[9.0, 3.0], cat=[2.0, 6.0]), "weft"), 1.5)
        # Most of them waited for the clock.
        self.assertEqual(figures.ratio(metric("least", weft=[4.2, 4.1, 0.2, 4.0, 4.2], cat=[4.0, 4.1, 0.4, 4.5, 4.4]), "weft"), 0.5)

    def test_what_was_not_measured_has_no_ratio(self):
        self.assertIsNone(figures.ratio(metric(weft=[1.0]), "weft"))
        self.assertIsNone(figures.ratio(metric(cat=[1.0]), "weft"))
        self.assertIsNone(figures.ratio(metric(reference=None, weft=[1.0]), "weft"))

    def test_the_middle_eight_of_ten(self):
        self.assertEqual(figures.spread([5, 1, 2, 3, 4, 6, 7, 8, 100, 0]), (1, 8))
        self.assertEqual(figures.spread([7]), (7, 7))

    def test_the_words_for_the_gate(self):
        metrics = [
            metric(weft=[3.0], cat=[2.0]),
            metric("least", None, "bytes", "scan_memory", weft=[123456]),
            metric("least", None, "share", "scan_growth", weft=[1.25]),
            metric("least", None, "bytes", "bytes", weft=[600], rg=[5]),
            metric("least", None, "ms", "hub_tail", weft=[4.0]),
            metric(name="hub_requests", weft=[4.0]),
        ]
        benches = {figures.REFERENCE: {"mean": 2e-4}, "host match: 1000 times": {"mean": 5e-5}}
        self.assertEqual(list(figures.words(metrics, benches)), [
            "compare:scan=1500", "compare:scan_memory=123456", "compare:scan_growth=1250", "default:bytes=600", "benches:host_match_1000_times=250"])
        self.assertEqual(list(figures.words(metrics, benches, "before")), [])

    def test_throughput_is_what_the_name_says(self):
        self.assertEqual(figures.throughput("one file: 1 MiB", 0.5), (2 * 1.048576, "MB/s"))
        self.assertEqual(figures.throughput("rules: 64 KiB of prose", 0.065536), (1.0, "MB/s"))
        self.assertEqual(figures.throughput("host match: 1000 times", 0.5), (2000, "/s"))


class History(unittest.TestCase):
    @staticmethod
    def entry(name, total, valid, deviation, mean):
        return struct.pack(">H", len(name.encode())) + name.encode() + struct.pack(">IIdd", total, valid, deviation, mean)

    def test_it_is_read_as_it_is_written(self):
        data = b"BRUNCH00" + self.entry("a: 64 KiB", 2500, 2400, 1e-6, 2e-5) + self.entry("é", 100, 100, 0.0, 1.5)
        self.assertEqual(figures.history(data), {
            "a: 64 KiB": {"samples": 2500, "valid": 2400, "deviation": 1e-6, "mean": 2e-5},
            "é": {"samples": 100, "valid": 100, "deviation": 0.0, "mean": 1.5}})
        self.assertEqual(figures.history(b"BRUNCH00"), {})

    def test_what_is_not_one_is_an_error(self):
        whole = b"BRUNCH00" + self.entry("name", 10, 10, 0.1, 0.2)
        for cut in range(len(whole)):
            if cut != 8:
                with self.assertRaises(ValueError, msg=cut):
                    figures.history(whole[:cut])
        for bad in (self.entry("n", 1, 2, 0.1, 0.2), self.entry("n", 1, 1, 0.1, float("nan")), self.entry("n", 1, 1, 0.1, -1.0), self.entry("n", 0, 0, 0.1, 1.0)):
            with self.assertRaises(ValueError):
                figures.history(b"BRUNCH00" + bad)
        with self.assertRaises(ValueError):
            figures.history(whole.replace(b"BRUNCH00", b"BRUNCH01"))


    def test_of_several_runs_the_least_mean_counts(self):
        runs = [{"a": {"mean": 2.0}, "b": {"mean": 1.0}}, {"a": {"mean": 1.5}, "b": {"mean": 3.0}, "c": {"mean": 9.0}}]
        self.assertEqual(figures.least(runs), {"a": {"mean": 1.5}, "b": {"mean": 1.0}, "c": {"mean": 9.0}})


class Measuring(unittest.TestCase):
    def test_rounds_are_in_turns_and_a_failure_is_no_sample(self):
        order = []
        took = measuring.turns({"a": ["/bin/true"], "b": ["/bin/true"]}, 3, few={"b": 2}, before=order.append)
        self.assertEqual(order, ["a", "b", "a", "b", "a"])
        self.assertEqual([len(took["a"]), len(took["b"])], [3, 2])
        self.assertTrue(all(number > 0 for number in took["a"]))
        with self.assertRaises(SystemExit):
            measuring.turns({"a": ["/bin/false"]}, 1)
        self.assertEqual(len(measuring.turns({"a": ["/bin/false"]}, 1, codes=(0, 1))["a"]), 1)


    def test_what_is_skipped_is_said_once(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f"import sys; sys.path.insert(0, {str(HERE)!r}); import samples; samples.skipped('a', 'b'); samples.skipped('a', 'b'); samples.skipped('a', 'c')"
            kept = pathlib.Path(folder) / "samples"
            done = subprocess.run([sys.executable, "-c", script], env={"SAMPLES": str(kept)}, capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout, "SKIPPED: a: b\nSKIPPED: a: c\n")
            self.assertEqual(len(kept.read_text().splitlines()), 2)


class Whole(unittest.TestCase):
    """compare.py from samples to files and exit code. What stands for weft is a program that says its version, with an ELF head in front."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.baseline = self.folder / "baseline.json"
        self.held(1500)

    def held(self, value):
        self.baseline.write_text(json.dumps({"toolchain": {"compare": ""}, "metrics": {"compare": {"scan": {"value": value, "noise": 0.1}}}}))

    def compare(self, *options, **samples):
        kept = self.folder / "samples"
        lines = [{"metric": {**metric(), "samples": samples}}, {"skipped": "landrun", "why": "not here"}]
        kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
        # A static ELF file that runs: none is at hand on every machine, so `compare` is told that this one is.
        script = "import sys; sys.path.insert(0, sys.argv.pop(1)); import compare; compare.is_static = lambda _: True; sys.exit(compare.main())"
        weft = self.folder / "weft"
        weft.write_text("#!/bin/sh\necho weft 0.0.0\n")
        weft.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", script, str(HERE), "--samples", kept, "--weft", weft, "--out", self.folder / "out", "--baseline", self.baseline, *options],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_within_the_noise_and_beyond(self):
        code, said = self.compare(weft=[3.0, 3.3], cat=[2.0, 2.0])
        self.assertEqual(code, 0, said)
        code, said = self.compare(weft=[3.4, 3.4], cat=[2.0, 2.0])
        self.assertEqual(code, 1, said)
        self.assertIn("REGRESSION", said)

    def test_growth_against_the_commit_before(self):
        self.held(1)
        code, said = self.compare(weft=[3.2], before=[3.0], cat=[2.0])
        self.assertEqual(code, 0, said)
        code, said = self.compare(weft=[3.4], before=[3.0], cat=[2.0])
        self.assertEqual(code, 1, said)

    def test_writing_makes_it_the_baseline(self):
        code, said = self.compare("--write", weft=[8.0], cat=[2.0])
        self.assertEqual(code, 0, said)
        self.assertEqual(json.loads(self.baseline.read_text())["metrics"]["compare"]["scan"]["value"], 4000)

    def test_what_is_written(self):
        history = self.folder / "history"
        history.write_bytes(b"BRUNCH00" + History.entry(figures.REFERENCE, 10, 10, 1e-6, 1e-4) + History.entry("a <b>: 64 KiB", 10, 10, 1e-6, 5e-5))
        baseline = json.loads(self.baseline.read_text())
        baseline["toolchain"]["benches"] = ""
        baseline["metrics"]["benches"] = {"a_b_64_kib": {"value": 500, "noise": 0.1}}
        self.baseline.write_text(json.dumps(baseline))
        code, said = self.compare("--history", history, weft=[3.0], cat=[2.0], rg=[4.0, 5.0])
        self.assertEqual(code, 0, said)
        out = self.folder / "out"
        kept = json.loads((out / "bench-comparison.json").read_text())
        self.assertEqual(kept["metrics"][0]["samples"]["rg"], [4.0, 5.0])
        self.assertEqual(kept["benches"]["a <b>: 64 KiB"]["mean"], 5e-5)
        self.assertEqual(kept["skipped"], [{"skipped": "landrun", "why": "not here"}])
        for key in ("processor", "cores", "memory", "kernel", "distribution"):
            self.assertIn(key, kept["machine"])
        page = (out / "results.md").read_text()
        self.assertIn("| scan | 3.00 ms | cat | 2.00 ms | 1.500 |", page)
        self.assertIn("landrun: not here", page)
        for name in ("scan.svg", "benches.svg"):
            self.assertIn(f"({name})", page)
            xml.etree.ElementTree.parse(out / name)
            picture = (out / name).read_text()
            self.assertIn(kept["machine"]["kernel"], picture)
            self.assertIn("prefers-color-scheme:dark", picture)

    def test_a_program_with_a_loader_is_not_static(self):
        self.assertFalse(compare.is_static("/bin/true"))


class Comment(unittest.TestCase):
    """scripts/ci/bench-comment.sh against a gh of the test's own, which answers and writes down what it was asked."""

    GH = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
for word in "$@"; do
    case $word in body=@*) cp "${word#body=@}" "$ASKED.body" ;; esac
done
case "$*" in
    *pulls*) echo "$HEAD_SHA" ;;
    *--paginate*) echo "$EARLIER" ;;
    *) echo said ;;
esac
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "bin").mkdir()
        gh = self.folder / "bin" / "gh"
        gh.write_text(self.GH)
        gh.chmod(0o755)
        self.artifact = self.folder / "artifact"
        self.artifact.mkdir()

    def comment(self, table, number="7", head="abc", earlier=""):
        (self.artifact / "comment.txt").write_bytes(table)
        (self.artifact / "number.txt").write_text(number)
        asked = self.folder / "asked"
        asked.unlink(missing_ok=True)
        environment = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "ASKED": str(asked), "HEAD_SHA": head, "EARLIER": earlier}
        done = subprocess.run([HERE.parent / "ci" / "bench-comment.sh", self.artifact, "o/weft", "abc"], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, asked.read_text() if asked.exists() else "", done.stderr

    def body(self):
        return (self.folder / "asked.body").read_text()

    def test_it_is_said_once_and_then_changed(self):
        code, asked, said = self.comment(b"compare  run  1,500  1.000 of baseline  ok\n")
        self.assertEqual(code, 0, said)
        self.assertIn("--method POST repos/o/weft/issues/7/comments", asked)
        self.assertIn("compare  run  1,500  1.000 of baseline  ok\n```", self.body())
        code, asked, said = self.comment(b"x\n", earlier="42")
        self.assertEqual(code, 0, said)
        self.assertIn("--method PATCH repos/o/weft/issues/comments/42", asked)

    def test_text_of_a_stranger_stays_text(self):
        code, _, said = self.comment("a\n```\n@everyone ![x](https://example.com) \u202e\x1b[31m\n<!-- -->\n".encode() + b"y" * 100000)
        self.assertEqual(code, 0, said)
        fences = [line for line in self.body().splitlines() if line.startswith("```")]
        self.assertEqual(fences, ["```text", "```"])
        self.assertEqual(self.body().count("`"), 2 * 3 + 2)
        self.assertNotIn("\x1b", self.body())
        self.assertLess(len(self.body()), 50000)

    def test_only_on_the_pull_request_it_is_of(self):
        for number, head in (("7", "another"), ("7; id", "abc"), ("", "abc"), ("0", "abc"), ("../7", "abc"), ("1234567890", "abc")):
            code, asked, _ = self.comment(b"x", number, head)
            self.assertEqual(code, 1, number)
            self.assertNotIn("--method", asked)

    def test_a_link_is_not_followed(self):
        (self.folder / "secret").write_text("secret")
        self.comment(b"x")
        (self.artifact / "comment.txt").unlink()
        (self.artifact / "comment.txt").symlink_to(self.folder / "secret")
        done = subprocess.run([HERE.parent / "ci" / "bench-comment.sh", self.artifact, "o/weft", "abc"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not there", done.stderr)


class Drawing(unittest.TestCase):
    def test_an_axis_keeps_the_order(self):
        axis = charts.Axis([0.3, 4.0, 900.0], 100, 700)
        self.assertEqual((axis.at(0.1), axis.at(10.0), axis.at(1000.0)), (100, 400, 700))
        self.assertEqual(charts.Axis([5.0], 0, 10).ticks(), [1.0, 10.0])


if __name__ == "__main__":
    unittest.main()
