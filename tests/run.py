"""Sets up, builds and runs every test of the workspace, and ends with one line that counts them.

What lives here: the calls of make and cargo, and the counting. What a test is and does lives with
the tests. A test that cannot do its work on this machine prints a line `skipped: reason` and
returns; it is counted as skipped, not as passed. The exit code is 0 only where something ran,
nothing failed, and every build worked.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
# nextest keeps its reports here, wherever the target folder is.
JUNIT = ROOT / "target" / "nextest" / "default" / "junit.xml"

ANSI = re.compile(r"\x1b\[[0-9;]*m")
SKIPPED = re.compile(r"^skipped: \S", re.MULTILINE)


@dataclass
class Count:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self):
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


class LibtestOutput:
    """Counts the output of `cargo test -- --show-output`, line by line.

    The output that libtest shows of passed tests is for the skip marks in it, not for people:
    `feed` says which lines to print.
    """

    RESULT = re.compile(
        r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored; "
    )
    BLOCK = re.compile(r"^---- (.+) stdout ----$")

    def __init__(self):
        self.count = Count()
        self.in_successes = False
        self.marked = set()
        self.block = None

    def feed(self, line):
        """Takes one line; returns whether a person should see it."""
        line = ANSI.sub("", line).rstrip("\n")
        if result := self.RESULT.match(line):
            self._close(*map(int, result.groups()))
            return True
        if line == "successes:":
            self.in_successes = True
        elif line == "failures:":
            self.in_successes = False
        elif self.in_successes:
            self._look_for_mark(line)
        return not self.in_successes

    def _look_for_mark(self, line):
        if block := self.BLOCK.match(line):
            self.block = block.group(1)
        elif self.block and SKIPPED.match(line):
            self.marked.add(self.block)

    def _close(self, passed, failed, ignored):
        skipped = len(self.marked)
        self.count += Count(passed - skipped, failed, ignored + skipped)
        self.in_successes, self.marked, self.block = False, set(), None


def count_junit(xml):
    """Counts the report that nextest writes."""
    count = Count()
    for case in ElementTree.fromstring(xml).iter("testcase"):
        output = "".join(case.findtext(tag) or "" for tag in ("system-out", "system-err"))
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif case.find("skipped") is not None or SKIPPED.search(output):
            count.skipped += 1
        else:
            count.passed += 1
    return count


def run(command):
    """Runs a command on this terminal; returns whether it succeeded."""
    print("+", " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 0


def run_nextest(flags):
    """Everything but the doc tests, which nextest does not run."""
    JUNIT.unlink(missing_ok=True)
    ok = run(
        ["cargo", "nextest", "run", "--config-file", "tests/nextest.toml", "--workspace", *flags]
    )
    count = count_junit(JUNIT.read_text()) if JUNIT.exists() else Count()
    return ok, count


def run_libtest(arguments, flags):
    """`cargo test`, its output passed on as it comes."""
    command = ["cargo", "test", "--workspace", "--no-fail-fast", *arguments, *flags]
    command += ["--", "--show-output"]
    print("+", " ".join(command), flush=True)
    output = LibtestOutput()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout:
            if output.feed(line):
                print(line, end="", flush=True)
    return process.returncode == 0, output.count


def run_own_tests():
    """The tests of the counting itself, at the end of this file."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Counting)
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    failed = len(result.failures) + len(result.errors)
    return result.wasSuccessful(), Count(passed=result.testsRun - failed, failed=failed)


def main(flags):
    make = [os.environ.get("MAKE", "make"), "--no-print-directory", "setup", "filter"]
    # The binary together with the tests: by itself it would have its dependencies built with fewer of
    # their features, and the tests all of them once more.
    build = ["cargo", "build", "--workspace", "--bins", "--tests", *flags]
    if not (run(make) and run(build)):
        print("the set-up or the build failed; no test was run")
        print(Count())
        return 1
    nextest = shutil.which("cargo-nextest") is not None
    results = [run_own_tests()]
    if nextest:
        results += [run_nextest(flags), run_libtest(["--doc"], flags)]
    else:
        results += [run_libtest([], flags)]
    total = sum((count for _, count in results), Count())
    ok = all(ok for ok, _ in results) and total.failed == 0
    if results[1][1].passed == 0:
        print("no test of the workspace ran")
        ok = False
    if not ok and total.failed == 0:
        print("a build or a test run failed; the lines above say which")
    print(total)
    return 0 if ok else 1


class Counting(unittest.TestCase):
    """Counts from what the runners really print."""

    def libtest(self, text):
        output = LibtestOutput()
        shown = [line for line in text.splitlines(keepends=True) if output.feed(line)]
        return output.count, "".join(shown)

    def test_several_libtest_binaries_add_up(self):
        text = (
            "test a ... ok\n"
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n"
            "\x1b[1mtest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n"
        )
        count, shown = self.libtest(text)
        self.assertEqual(str(count), "4 passed, 2 failed, 1 skipped")
        self.assertEqual(shown, text)

    def test_a_marked_test_is_skipped_and_shown_output_is_hidden(self):
        text = (
            "successes:\n"
            "\n"
            "---- it_reads_vectors stdout ----\n"
            "skipped: no vectors here\n"
            "\n"
            "---- it_says_much stdout ----\n"
            "not skipped: at all\n"
            "\n"
            "successes:\n"
            "    it_reads_vectors\n"
            "    it_says_much\n"
            "\n"
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n"
        )
        count, shown = self.libtest(text)
        self.assertEqual(str(count), "1 passed, 0 failed, 1 skipped")
        self.assertNotIn("no vectors", shown)

    def test_a_failed_test_that_printed_a_mark_stays_failed_and_is_shown(self):
        text = (
            "successes:\n"
            "successes:\n"
            "failures:\n"
            "---- broken stdout ----\n"
            "skipped: part of it\n"
            "failures:\n"
            "    broken\n"
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n"
        )
        count, shown = self.libtest(text)
        self.assertEqual(str(count), "0 passed, 1 failed")
        self.assertIn("skipped: part of it", shown)

    def test_junit_cases_are_counted_by_their_end(self):
        xml = """<?xml version="1.0"?><testsuites><testsuite name="x">
            <testcase name="a"/>
            <testcase name="b"><system-out>skipped: no data</system-out></testcase>
            <testcase name="c"><failure/><system-out>skipped: no</system-out></testcase>
            <testcase name="d"><error/></testcase>
            <testcase name="e"><system-out>I skipped: lunch</system-out></testcase>
            </testsuite></testsuites>"""
        self.assertEqual(str(count_junit(xml)), "2 passed, 2 failed, 1 skipped")

    def test_nothing_counts_as_nothing(self):
        self.assertEqual(str(count_junit("<testsuites/>")), "0 passed, 0 failed")
        self.assertEqual(str(self.libtest("error: could not compile\n")[0]), "0 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
