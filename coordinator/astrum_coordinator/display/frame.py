"""What a live view shows of a run at one moment, as lines that fit a terminal of any size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from astrum.runtime.durations import duration_text
from astrum.runtime.visible_text import visible_name
from astrum.view.progress.pool_facts import PoolFacts, RunningFacts
from astrum.view.progress.run_counters import Ends
from astrum_coordinator.display.progress import RunProgress, ShownAttempt
from astrum_coordinator.display.report_view import (
    count_text,
    estimate_text,
    rate_text,
)
from astrum_coordinator.display.screen_region import Line

MAX_STAGES = 8
"""The most bars of stages on a terminal of 24 lines."""
LEAST_BAR, WIDEST_BAR = 6, 60
KNOWN_AFTER_S = 3.0
"""Seconds between two reads of the workers' status, which they publish as often."""
QUEUED = "queued"
_GAP = "  "

WorkerOf = Callable[[ShownAttempt], str]
"""Returns what is shown beside a running attempt, such as its worker, "" if nothing is known."""


def nowhere(attempt: ShownAttempt) -> str:
    """Return no worker: a run in process has none."""
    return ""


class Look(NamedTuple):
    """How a view looks: the word for dispatched attempts, and what the terminal can show."""

    active: str
    encoding: str = "utf-8"
    has_colour: bool = True

    @property
    def is_ascii(self) -> bool:
        """True if the terminal has no other characters."""
        return not self.encoding.lower().replace("-", "").startswith("utf")

    def shown(self, name: str) -> str:
        """Return a name on one line, in characters that the terminal has."""
        text = visible_name(name)
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def clipped(self, text: str, width: int) -> str:
        """Return the beginning of text that is too wide.

        >>> Look("running").clipped("parsing", 6), Look("running").clipped("日本語", 5)
        ('parsi…', '日本…')
        """
        if cell_len(text) <= width:
            return text
        return set_cell_size(text, max(width - 1, 0)).rstrip() + self.ellipsis

    @property
    def ellipsis(self) -> str:
        """The sign for a part that was left out."""
        return "~" if self.is_ascii else "…"

    def short_name(self, name: str, width: int) -> str:
        """Return a name in so many columns; what tells children apart is kept.

        >>> look = Look("running")
        >>> look.short_name("parse[3]", 8), look.short_name("parse_archive[3]", 12)
        ('parse[3]', 'parse_ar…[3]')
        """
        if cell_len(name) <= width:
            return name
        end = name[name.rindex("[") :] if name.endswith("]") and "[" in name else ""
        end = end if cell_len(end) < width - 1 else ""
        return self.clipped(name, width - cell_len(end)) + end if end else self.clipped(name, width)


class Size(NamedTuple):
    """The size of a terminal in columns and lines."""

    width: int
    height: int


def frame(
    progress: RunProgress, size: Size, look: Look, bars: StageBars, worker_of: WorkerOf
) -> list[Line]:
    """Return at most ``height - 1`` lines, each narrower than the terminal."""
    width = size.width - 1
    lines: list[Line] = [[part] for part in _head(progress, look) if part[0]]
    stages, children = len(progress.stages), progress.open_children()
    most_stages = max(MAX_STAGES, size.height // 4)
    wants = (min(stages, most_stages), len(children), progress.running_count)
    rows = fair_shares(size.height - 1 - len(lines), wants)
    lines += _bars(progress, width, look, bars.rows(progress, max(rows[0], 3))[: rows[0]], rows[1])
    lines += _running(progress, width, look, rows[2], worker_of)
    return [_cut(line, width, look) for line in lines[: size.height - 1]]


def _cut(line: Line, width: int, look: Look) -> Line:
    """Return the beginning of a line that is too wide."""
    kept, room = [], width
    for text, style in line:
        if room <= 0:
            break
        kept.append((look.clipped(text, room), style))
        room -= cell_len(kept[-1][0])
    return kept


def fair_shares(available: int, wants: Sequence[int]) -> list[int]:
    """Return how many rows each of some lists gets: what one does not want is for the others.

    >>> fair_shares(10, [2, 9, 9]), fair_shares(4, [0, 9, 1])
    ([2, 4, 4], [0, 3, 1])
    """
    shares = [0] * len(wants)
    while available > 0 and any(map(int.__lt__, shares, wants)):
        for place, want in enumerate(wants):
            if shares[place] < want and available > 0:
                shares[place] += 1
                available -= 1
    return shares


# --- the first lines ------------------------------------------------------------------------


def _head(progress: RunProgress, look: Look) -> Iterator[tuple[str, str]]:
    yield counts_text(progress, look.active), "bold"
    yield speed_text(progress), "default"
    facts = progress.facts
    if facts is not None:
        yield look.shown(queues_text(facts)), "dim"
        for trouble in facts.troubles[:2]:
            yield look.shown(trouble), "bold yellow"


def counts_text(progress: RunProgress, active: str) -> str:
    """Return one line: done, running, retried, failed; ``active`` is the word for running."""
    parts = [f"{progress.succeeded:,} of {progress.total:,} done"]
    for count, word in (
        (progress.skipped, "skipped"),
        (progress.blocked, "blocked"),
        (progress.cancelled, "cancelled"),
        (progress.running_count, active),
        (progress.retried, "retried"),
        (progress.lost, "lost"),
        (progress.failed, "failed"),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    return ", ".join(parts)


def speed_text(progress: RunProgress) -> str:
    """Return for how long the run goes on, how fast it is, and how long it will still take."""
    estimate = progress.estimate
    parts = [duration_text(progress.elapsed_s)]
    if estimate.rate:
        parts.append(rate_text(estimate.rate))
    if estimate.left_s is not None:
        parts.append(estimate_text(estimate.left_s, estimate.unknown))
    return ", ".join(parts)


def queues_text(facts: PoolFacts) -> str:
    """Return what waits in the queues of the run, and what workers have taken from them.

    Attempts of other runs count, too.
    """
    parts = [
        f"{queue.queue} {queue.waiting:,} waiting, {queue.running:,} with workers"
        for queue in facts.queues
    ]
    word = "queue" if len(parts) == 1 else "queues"
    return f"{word} {'; '.join(parts)}" if parts else ""


# --- bars -----------------------------------------------------------------------------------


class Bar(NamedTuple):
    """A bar: how many of its tasks have ended, how many there are, how many of them failed."""

    label: str
    ended: int
    total: int
    failed: int = 0


class StageBars:
    """One bar per stage: if there are too many, those done and those far ahead share one each."""

    def __init__(self) -> None:
        self._stages: list[Ends] = []
        self._first_open = 0
        self._summed = 0
        self._before = Ends()

    def rows(self, progress: RunProgress, most: int = MAX_STAGES) -> list[Bar]:
        """Return at most so many bars, which is at least three."""
        stages = self._begin(progress)
        last = len(stages) - 1
        if last < most:
            return [Bar(_label(i, i), *stage.counts) for i, stage in enumerate(stages)]
        first = min(self._find_first_open(), last - (most - 2))
        end = min(first + most - (2 if first else 1), last + 1)
        before = self._sum_before(first)
        rows = [Bar(_label(0, first - 1), *before.counts)] if first else []
        rows += [Bar(_label(i, i), *stages[i].counts) for i in range(first, end)]
        if end <= last:
            whole = progress.ended, progress.total, progress.failed
            shown = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
            rest = [max(count - part, 0) for count, part in zip(whole, shown, strict=True)]
            rows.append(Bar(_label(end, last), *rest))
        return rows

    def _begin(self, progress: RunProgress) -> list[Ends]:
        """Begin again if all was counted again: for another state, or a run that was reopened."""
        if progress.stages is not self._stages:
            self._stages = progress.stages
            self._first_open = self._summed = 0
            self._before = Ends()
        return self._stages

    def _find_first_open(self) -> int:
        # A stage that has ended stays so: every stage is passed once in the life of a run.
        while self._first_open < len(self._stages):
            stage = self._stages[self._first_open]
            if stage.ended < stage.total:
                break
            self._first_open += 1
        return self._first_open

    def _sum_before(self, first: int) -> Ends:
        while self._summed < first:
            self._before.add(self._stages[self._summed])
            self._summed += 1
        return self._before


def _label(first: int, last: int) -> str:
    return f"stage {first}" if first == last else f"stages {first} to {last}"


def _bars(
    progress: RunProgress, width: int, look: Look, stages: Sequence[Bar], most_children: int
) -> list[Line]:
    children = progress.open_children()
    shown = children if len(children) <= most_children else children[: max(most_children - 1, 0)]
    label_width = max(width // 4, 10)
    bars = [(bar, "green") for bar in stages]
    for row in shown:
        name = look.short_name(look.shown(progress.name(row.task)), label_width - 2)
        bars.append((Bar(f"{_GAP}{name}", *row[1:]), "cyan"))
    lines = _bar_lines(bars, width, look)
    left_out = len(children) - len(shown)
    if left_out and most_children:
        lines.append([(f"{_GAP}... and {count_text(left_out, 'more task')} with children", "dim")])
    return lines


def _bar_lines(bars: Sequence[tuple[Bar, str]], width: int, look: Look) -> list[Line]:
    """Return a line for each bar and its style, with all parts in columns."""
    label_width = max((cell_len(bar.label) for bar, _ in bars), default=0)
    counts = [f"{bar.ended:,}/{bar.total:,}" for bar, _ in bars]
    failed = [f" {bar.failed:,} failed" if bar.failed else "" for bar, _ in bars]
    rest = max(map(len, counts), default=0) + max(map(len, failed), default=0)
    bar_width = min(width - label_width - 2 - rest, WIDEST_BAR)
    lines: list[Line] = []
    for (bar, style), count, bad in zip(bars, counts, failed, strict=True):
        label = (set_cell_size(bar.label, label_width) + " ", "default")
        drawn = _drawn(bar, bar_width, style, look) if bar_width >= LEAST_BAR else []
        lines.append([label, *drawn, (f"{' ' * bool(drawn)}{count}", "dim"), (bad, "red")])
    return lines


def _drawn(bar: Bar, width: int, style: str, look: Look) -> list[tuple[str, str]]:
    """Draw a bar: what has failed is a part of what has ended, and is seen if it is any."""
    full, cross, rest = ("=", "x", " ") if look.is_ascii else ("━", "╳", "─")
    total = max(bar.total, 1)
    failed = -(-bar.failed * width // total)
    ended = max(bar.ended * width // total, failed)
    return [
        (full * (ended - failed), style),
        ((full if look.has_colour else cross) * failed, "red"),
        (rest * (width - ended), "bright_black"),
    ]


# --- running attempts -----------------------------------------------------------------------


def _running(
    progress: RunProgress, width: int, look: Look, rows: int, worker_of: WorkerOf
) -> list[Line]:
    count = progress.running_count
    if not rows or not count:
        return []
    attempts = _running_first(progress, rows if count <= rows else rows - 1)
    now = time.monotonic()
    names = [
        look.short_name(look.shown(progress.name(one.task)), width * 2 // 5) for one in attempts
    ]
    numbers = [f"attempt {one.number}" if one.number > 1 else "" for one in attempts]
    times = [_time_text(progress.facts, one, now) for one in attempts]
    name_width = max(map(cell_len, names), default=0)
    number_width = max(map(len, numbers), default=0)
    time_width = max(map(len, times), default=0)
    lines: list[Line] = []
    for attempt, name, number, took in zip(attempts, names, numbers, times, strict=True):
        line = [
            (_GAP + set_cell_size(name, name_width), "default"),
            (f"{_GAP}{number:{number_width}}" if number_width else "", "yellow"),
            (f"{_GAP}{took:>{time_width}}{_GAP}", "dim"),
            _beside(progress.facts, attempt, worker_of, look, now),
        ]
        lines.append(line)
    if count > len(attempts):
        lines.append([(f"{_GAP}... and {count - len(attempts):,} more", "dim")])
    return lines


def _running_first(progress: RunProgress, count: int) -> list[ShownAttempt]:
    """Return so many attempts: those that workers run, the oldest first, then others."""
    facts = progress.facts
    if facts is None:
        return progress.oldest_running(count)
    running = [one for key in facts.running if (one := progress.dispatched(*key)) is not None]
    running.sort(key=lambda one: -facts.running[one.task, one.attempt].age_s)
    # Fewer than ``count`` of these run, so there are enough others among twice as many.
    others = progress.oldest_running(2 * count) if len(running) < count else []
    return [*running, *(one for one in others if _found(facts, one) is None)][:count]


def _found(facts: PoolFacts | None, attempt: ShownAttempt) -> RunningFacts | None:
    return None if facts is None else facts.running.get((attempt.task, attempt.attempt))


def _time_text(facts: PoolFacts | None, attempt: ShownAttempt, now: float) -> str:
    """Return for how long an attempt runs, "" if no worker says that it runs it."""
    if facts is None:
        return duration_text(now - attempt.since)
    found = _found(facts, attempt)
    return "" if found is None else duration_text(found.age_s + now - facts.at)


def _beside(
    facts: PoolFacts | None, attempt: ShownAttempt, worker_of: WorkerOf, look: Look, now: float
) -> tuple[str, str]:
    """Return what the task told last and the worker of the attempt, or that it is queued."""
    if facts is None:
        return look.shown(worker_of(attempt)), "cyan"
    found = _found(facts, attempt)
    if found is None:
        return QUEUED if now - attempt.since > KNOWN_AFTER_S else look.active, "dim"
    told = "" if found.progress is None else f"{found.progress}{_GAP}"
    return look.shown(f"{told}{found.worker_id}"), "cyan"
