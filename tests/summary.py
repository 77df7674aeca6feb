"""Runs the targets of `make test` one after the other, and says in one line what passed.

The output is passed on as it comes. Ends with the exit code of the first target that fails.
"""

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

_TARGETS = {"test-erlang": "Erlang", "test-python": "Python", "test-machines": "on machines"}
_COUNTS = re.compile(r"All (?P<eunit>\d+) tests passed|(?P<passed>\d+) passed\b.*\bin \d")
_SKIPPED = re.compile(r"(\d+) skipped")


@dataclass
class _Counted:
    """How many tests of each kind passed, and how many were skipped."""

    passed: dict[str, int] = field(default_factory=dict)
    skipped: int = 0

    def hear(self, kind: str, line: str) -> None:
        found = _COUNTS.search(line)
        if found:
            number = int(found["eunit"] or found["passed"])
            self.passed[kind] = self.passed.get(kind, 0) + number
            skipped = _SKIPPED.search(line)
            self.skipped += int(skipped[1]) if skipped else 0


def main(make: list[str]) -> int:
    """Run the targets by `make`, and return the exit code."""
    began = time.monotonic()
    counted = _Counted()
    code = 0
    for target, kind in _TARGETS.items():
        code = _run([*make, target], kind, counted)
        if code:
            break
    passed = ", ".join(f"{number} {kind}" for kind, number in counted.passed.items())
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    verdict = f"{target} failed" if code else "all passed"
    print(f"tests: {verdict}: {passed}; {counted.skipped} skipped; {minutes} min {seconds} s")
    return code


def _run(command: list[str], kind: str, counted: _Counted) -> int:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        for raw in running.stdout or ():
            sys.stdout.buffer.write(raw)
            sys.stdout.flush()
            counted.hear(kind, raw.decode(errors="replace"))
    return running.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
