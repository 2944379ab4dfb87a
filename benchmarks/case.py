"""The interface of one line of the table, and the numbers that it is judged by."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Numbers = Mapping[str, float]
"""From the name of a metric to its value; names end in their unit."""


@dataclass(frozen=True)
class Setting:
    """What holds for a whole run. ``peers`` are those that can be measured."""

    quick: bool = False
    peers: tuple[str, ...] = ()
    peer_tasks: int = 5_000
    timeout_s: float = 600.0

    def size(self, full: int, quick: int) -> int:
        """Return the size for this setting."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of what was measured in all rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(self.low)}–{_short(self.high)})"


@dataclass(frozen=True)
class Verdict:
    """One goal and what was found; ``met`` is `None` where it could not be judged."""

    goal: str
    found: str
    met: bool | None


@dataclass
class Samples:
    """Everything measured for one case: per contestant a list of numbers, one per round."""

    rounds: dict[str, list[Numbers]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a contestant has no numbers."""

    def add(self, contestant: str, numbers: Numbers) -> None:
        """Note what one round has given."""
        self.rounds.setdefault(contestant, []).append(numbers)

    def has(self, contestant: str) -> bool:
        """Tell whether a contestant was measured."""
        return bool(self.rounds.get(contestant))

    def values(self, contestant: str, metric: str) -> list[float]:
        """Return a metric of each round."""
        return [numbers[metric] for numbers in self.rounds.get(contestant, ()) if metric in numbers]

    def spread(self, contestant: str, metric: str) -> Spread:
        """Return a metric's median and ends; `LookupError` if it was never measured."""
        values = self.values(contestant, metric)
        if not values:
            raise LookupError(f"{contestant} has no {metric}")
        return Spread(statistics.median(values), min(values), max(values))

    def median(self, contestant: str, metric: str) -> float:
        """Return a metric's median over the rounds."""
        return self.spread(contestant, metric).median

    def best(self, contestants: Sequence[str], metric: str, *, high: bool) -> str | None:
        """Return who has the highest (or lowest) median; `None` if nothing was measured."""
        there = [name for name in contestants if self.values(name, metric)]
        choose = max if high else min
        return choose(there, key=lambda name: self.median(name, metric), default=None)


class Case(Protocol):
    """One line of the table."""

    name: str
    title: str
    metric: str
    """What the picture and the short table show."""

    def contestants(self, setting: Setting) -> list[str]:
        """Return whom `measure` takes, in the order of a round."""
        ...

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Measure one contestant once; raises `SystemFailedError`."""
        ...

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge what was measured."""
        ...


def at_least(goal: str, value: float, limit: float, unit: str = "") -> Verdict:
    """Judge a value that should be ``limit`` or more."""
    return Verdict(goal, f"{_short(value)}{unit}", value >= limit)


def at_most(goal: str, value: float, limit: float, unit: str = "") -> Verdict:
    """Judge a value that should be ``limit`` or less."""
    return Verdict(goal, f"{_short(value)}{unit}", value <= limit)


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
