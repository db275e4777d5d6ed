#!/usr/bin/env python3
"""Is gate.py a gate? Runs it on a baseline of its own."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

GATE = pathlib.Path(__file__).with_name("gate.py")


class Gate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.baseline = self.folder / "baseline.json"
        entry = {"value": 1000, "noise": 0.02, "aim": 900, "limit": 5000}
        self.baseline.write_text(json.dumps({"toolchain": {"edge": "rustc 1"}, "metrics": {"edge": {"bytes": entry}}}))

    def gate(self, *words):
        done = subprocess.run([sys.executable, GATE, "--baseline", self.baseline, *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_growth_within_the_noise_passes_and_the_aim_is_told(self):
        code, said = self.gate("edge:bytes=1020", "toolchain=rustc 1")
        self.assertEqual(code, 0, said)
        self.assertIn("ABOVE AIM: edge:bytes", said)

    def test_growth_beyond_the_noise_fails(self):
        code, said = self.gate("edge:bytes=1021", "toolchain=rustc 1")
        self.assertEqual(code, 1, said)
        self.assertIn("REGRESSION", said)

    def test_another_compiler_is_skipped_loudly_but_not_the_limit(self):
        code, said = self.gate("edge:bytes=4000", "toolchain=rustc 2")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, "(?m)^SKIPPED: .*rustc 1, this is rustc 2")
        self.assertEqual(self.gate("edge:bytes=5001", "toolchain=rustc 2")[0], 1)

    def test_a_reference_counts_whatever_the_compiler_is(self):
        reference = self.folder / "before"
        reference.write_text("toolchain=rustc 2\nedge:bytes=2000\nedge:bytes@baseline=1000\n")
        self.assertEqual(self.gate("--reference", str(reference), "edge:bytes=2040", "toolchain=rustc 2")[0], 0)
        self.assertEqual(self.gate("--reference", str(reference), "edge:bytes=2041", "toolchain=rustc 2")[0], 1)
        # The baseline grew by a tenth in the same change: so may the measurement.
        reference.write_text("edge:bytes=2000\nedge:bytes@baseline=909\n")
        self.assertEqual(self.gate("--reference", str(reference), "edge:bytes=2200", "toolchain=rustc 2")[0], 0)

    def test_what_the_reference_does_not_have_is_held_to_the_baseline_of_this_compiler_alone(self):
        reference = self.folder / "before"
        reference.write_text("edge:speed=1\n")
        code, said = self.gate("--reference", str(reference), "edge:bytes=2000", "toolchain=rustc 2")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, "(?m)^SKIPPED: ")
        self.assertEqual(self.gate("--reference", str(reference), "edge:bytes=2000", "toolchain=rustc 1")[0], 1)

    def test_writing_keeps_what_was_measured_and_with_what(self):
        self.assertEqual(self.gate("--write", "edge:bytes=3000", "toolchain=rustc 3")[0], 0)
        kept = json.loads(self.baseline.read_text())
        self.assertEqual(kept["metrics"]["edge"]["bytes"]["value"], 3000)
        self.assertEqual(kept["toolchain"]["edge"], "rustc 3")

    def test_what_it_does_not_know_is_an_error(self):
        for word in ("edge:speed=1", "edge:bytes=", "edge:bytes=many"):
            self.assertNotEqual(self.gate(word)[0], 0, word)


if __name__ == "__main__":
    unittest.main()
