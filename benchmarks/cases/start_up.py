"""The time until something can begin: imports and the command line's help."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most

IMPORT, HELP, BARE = "import astrum", "astrum-coordinator --help", "bare interpreter"
MS = "ms"


class StartUp:
    """Processes that import or print help and end; the interpreter itself is not counted."""

    name = "start_up"
    title = "import astrum, and astrum-coordinator --help"
    metric = MS

    def contestants(self, setting: Setting) -> list[str]:
        """The interpreter alone, then the two."""
        return [BARE, IMPORT, HELP]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Take the fastest of some starts."""
        commands = {
            BARE: [sys.executable, "-c", "pass"],
            IMPORT: [sys.executable, "-c", "import astrum"],
            HELP: [str(Path(sys.executable).parent / "astrum-coordinator"), "--help"],
        }
        repeats = setting.size(10, 5)
        return {MS: min(_run(commands[contestant]) for _ in range(repeats)) * 1e3}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge both; an import also by what it must not import."""
        bare = samples.median(BARE, MS)
        imported = samples.median(IMPORT, MS) - bare
        return [
            at_most("import astrum: at most 150 ms", imported, 150, " ms"),
            Verdict("import astrum does without redis", *_redis_free()),
            at_most("--help: at most 300 ms", samples.median(HELP, MS), 300, " ms"),
        ]


def _run(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _redis_free() -> tuple[str, bool]:
    code = "import astrum, sys; print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    imports_it = done.stdout.strip() == "True"
    return ("it imports redis" if imports_it else "it does"), not imports_it
