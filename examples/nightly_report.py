"""A nightly report on the logs of this machine: what they hold, and which lines speak of trouble.

    astrum-coordinator run --local examples/nightly_report.py
    astrum-coordinator run examples/nightly_report.py --input day=2026-11-28 --input most=5

    input folder ──▶ find_logs ──▶ count[dpkg.log] ... count[auth.log] ──▶ write_report
                     scratch ────────▲                     packages? ───────▲
                        └──────────────── remove_scratch (always)

The report is written to ``reports/``. Without that folder the run fails in its last task, and shows
what follows: the clean-up has run, and on a server (a worker, ``serve`` and ``submit`` with
``ASTRUM_REDIS_URL``) ``mkdir reports`` and ``astrum-coordinator retry RUN`` write the report without
counting again.

What to look at: how many logs there are is found at run time (`find_logs`, `Each`); a log that went
away in the meantime or may not be read costs only its own row (``max_failed``, ``DROP``); the list of
packages is there on some systems only (`Skip`, ``default=``); the copies of the logs are removed
however the run ends (``always=True``). ``astrum-coordinator plan examples/nightly_report.py`` draws it.
A machine without logs reports on the Python library in their place.
"""

import gzip
import lzma
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
    """A text file: its name, by which the report and the child know it, and where it is."""

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
    found = []
    for path in sorted(folder.rglob(pattern)) if folder.is_dir() else ():
        try:
            with path.open("rb") as file:
                is_log = (
                    path.is_file() and 0 < len(file.read(1)) and path.stat().st_size < MOST_BYTES
                )
        except OSError:
            continue
        if is_log:
            found.append(Log(path.relative_to(folder).as_posix(), str(path)))
    return found[:MOST_LOGS]


def copy_of(log: Log, folder: Path) -> Path:
    """Copy a log into a folder, and return the path of the copy."""
    copy = folder / log.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(log.path, copy)
    return copy


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a log, also of one that ``logrotate`` has compressed."""
    opened = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
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
