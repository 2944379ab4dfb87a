"""A nightly report on the logs of this machine: what they hold, and which lines speak of trouble.

    astrum-coordinator run --local examples/nightly_report.py
    astrum-coordinator run examples/nightly_report.py --input day=2026-11-28 --input most=5

    input folder ──▶ find_logs ──▶ count[dpkg.log] ... count[auth.log] ──▶ write_report
                     scratch ────────▲                     packages? ───────▲
                        └──────────────── remove_scratch (always)

The report is written to ``reports/nightly.md``, or to the folder that ``--input out=FOLDER`` names.
If there is no such folder the last task fails. On a server the report is then written without
counting again (the clean-up has run, and runs again):

    export ASTRUM_REDIS_URL=redis://localhost:6379/0
    astrum-worker examples/nightly_report.py &
    astrum-coordinator serve &
    astrum-coordinator submit examples/nightly_report.py --run-id tonight --attach
    mkdir reports
    astrum-coordinator retry tonight --attach

What to look at in ``plan examples/nightly_report.py`` and below:

- How many logs there are is found at run time (`find_logs`, `Each`). A child is named by its log.
- A log that has gone, or is damaged, costs its own row alone (``max_failed``, ``DROP``).
- The list of packages is there on some systems only (`Skip`, ``default=None``).
- The copies of the logs are removed however the run ends (``always=True``). A task that needs the
  folder makes it: a run that is tried again finds it removed.

A machine without logs reports on a part of the Python library in their place.
"""

import gzip
import lzma
import os
import re
import shutil
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from astrum import DROP, Each, F, Input, Ref, Skip, current_attempt, task, use_namespace

TROUBLE = re.compile(r"\b(error|fail(ed|ure)?|fatal|panic|denied|warn(ing)?)\b", re.IGNORECASE)
PACKAGES = Path("/var/lib/dpkg/status")
MOST_LOGS = 500
MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Log:
    """A file with text: its name, by which the report and the child know it, and where it is."""

    name: str
    path: str


@dataclass(frozen=True)
class Counts:
    """What one log holds; ``words`` says how often each word of trouble stands in it."""

    name: str
    lines: int
    trouble: int
    words: dict[str, int]


with use_namespace("nightly"):

    @task
    def find_logs(folder: Ref[str, Input()] = "/var/log") -> list[Log]:
        """Find the logs, or modules of the Python library if there is none to read."""
        library = Path(sysconfig.get_path("stdlib"))
        return logs_in(Path(folder), "*.log*") or logs_in(library / "email", "*.py")

    @task
    def scratch() -> str:
        """Name a folder for this run; who writes to it first makes it."""
        return str(Path(tempfile.gettempdir(), f"nightly-{current_attempt().run_id}"))

    @task(at_once=8, max_failed=0.2, retry=1)
    def count(
        log: Ref[Log, Each(find_logs, key="name")],
        folder: Ref[str, F(scratch)],
        day: Ref[str, Input()] = "",
    ) -> Counts:
        """Count in a copy, since a log grows and is renamed while it is read."""
        lines = [line for line in lines_of(copy_of(log, Path(folder))) if day in line]
        found = [match[0].lower() for line in lines for match in TROUBLE.finditer(line)]
        troubled = sum(1 for line in lines if TROUBLE.search(line))
        return Counts(log.name, len(lines), troubled, dict(Counter(found)))

    @task
    def packages() -> int:
        """Count the packages that are installed, on systems with dpkg."""
        if not PACKAGES.exists():
            raise Skip(f"there is no {PACKAGES}")
        text = PACKAGES.read_text(encoding="utf-8", errors="replace")
        return text.count("\nStatus: install ok installed")

    @task
    def write_report(
        counts: Ref[list[Counts], F(count, default=DROP)],
        found: Ref[list[Log], F(find_logs)],
        installed: Ref[int | None, F(packages, default=None)],
        out: Ref[str, Input()] = "reports",
        most: Ref[int, Input()] = 10,
    ) -> str:
        """Write the report; returns its path."""
        path = Path(out, "nightly.md").resolve()
        path.write_text("\n".join(rendered(counts, len(found), installed, most)) + "\n")
        return str(path)

    @task(after=[count], always=True, retry=2)
    def remove_scratch(folder: Ref[str, F(scratch)]) -> None:
        """Remove the copies; there may be none, and it may have been done before."""
        shutil.rmtree(folder, ignore_errors=True)


def logs_in(folder: Path, pattern: str) -> list[Log]:
    """Return the files with such names that can be read now, in the order of their names."""
    paths = sorted(folder.rglob(pattern))
    found = [Log(p.relative_to(folder).as_posix(), str(p)) for p in paths if is_readable(p)]
    return found[:MOST_LOGS]


def is_readable(path: Path) -> bool:
    """Return whether a file is there, can be read, and has an ordinary size."""
    try:
        return path.is_file() and 0 < path.stat().st_size < MOST_BYTES and os.access(path, os.R_OK)
    except OSError:
        return False


def copy_of(log: Log, folder: Path) -> Path:
    """Copy a log into a folder, and return the path of the copy."""
    copy = folder / log.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(log.path, copy)
    return copy


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a log, also of one that ``logrotate`` has compressed."""
    opened = gzip.open if path.suffix == ".gz" else lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        yield from file


def rendered(counts: list[Counts], found: int, installed: int | None, most: int) -> Iterator[str]:
    """Yield the lines of the report."""
    words = sum((Counter(each.words) for each in counts), Counter[str]())
    yield "# The logs of this machine"
    yield ""
    yield f"{len(counts)} of {found} logs have {sum(each.lines for each in counts):,} lines."
    if installed is not None:
        yield f"{installed:,} packages are installed."
    yield from ("", "| log | lines | of trouble |", "|---|---:|---:|")
    for each in sorted(counts, key=lambda one: (-one.trouble, one.name))[:most]:
        yield f"| `{each.name}` | {each.lines:,} | {each.trouble:,} |"
    yield from ("", "| word | times |", "|---|---:|")
    for word, times in words.most_common(most):
        yield f"| {word} | {times:,} |"
