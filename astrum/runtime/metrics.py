"""Metrics as data: what there is, its values, and the text format of Prometheus.

The format is lines of text, so it is written here. At 200 tasks a worker has some 4,500 lines, and
each scrape writes them beside the work of the process: that has to take milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from astrum.runtime.visible_text import visible_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = tuple(0.005 * 4**n for n in range(10))
"""The bounds of durations: from 5 ms to 22 minutes."""
BYTES = tuple(256.0 * 8**n for n in range(7))
"""The bounds of sizes: from 256 bytes to 64 MiB."""
OTHER = "(other)"
"""The value of a label in place of names that came after too many."""
MOST_NAMES = 200

Labels = tuple[str, ...]
Value = float | Sequence[float]
"""A number. Of a histogram: how many values each bucket got, the last one without a bound, and
their sum."""


class Metric(NamedTuple):
    """One metric: its name, its kind, what it says, and the names of its labels.

    ``kind`` is counter, gauge or histogram; a histogram has the upper ``bounds`` of its buckets.
    """

    name: str
    kind: str
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


Readings = dict[Metric, dict[Labels, Value]]
"""The values of each metric by the values of its labels, which are in the order of their names."""


def counter(name: str, text: str, *labels: str) -> Metric:
    """Return a metric that only grows."""
    return Metric(name, "counter", text, labels)


def gauge(name: str, text: str, *labels: str) -> Metric:
    """Return a metric that rises and falls."""
    return Metric(name, "gauge", text, labels)


def histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Metric:
    """Return a metric that counts values by their size."""
    return Metric(name, "histogram", text, labels, bounds)


def no_values(bounds: Sequence[float]) -> list[float]:
    """Return the value of a histogram that has none yet.

    >>> no_values((1.0, 2.0))
    [0, 0, 0, 0.0]
    """
    return [0] * (len(bounds) + 1) + [0.0]


def observe(value: list[float], bounds: Sequence[float], number: float) -> None:
    """Count a number in the value of a histogram; a bound belongs to the bucket below it.

    >>> value = no_values((1.0, 2.0))
    >>> observe(value, (1.0, 2.0), 1.0)
    >>> observe(value, (1.0, 2.0), 7.0)
    >>> value
    [1, 0, 1, 8.0]
    """
    value[bisect_left(bounds, number)] += 1
    value[-1] += number


class NameLimit:
    """Gives names until there are ``most``, and `OTHER` for all that come later.

    >>> limit = NameLimit(1)
    >>> limit.of(("shop", "pay")), limit.of(("shop", "send")), limit.of(("shop", "pay"))
    (('shop', 'pay'), ('(other)', '(other)'), ('shop', 'pay'))
    """

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self._known: dict[Labels, None] = {}

    def of(self, names: Labels) -> Labels:
        """Return the names to use in place of these."""
        if names in self._known:
            return names
        if len(self._known) >= self._most:
            return (OTHER,) * len(names)
        self._known[names] = None
        return names


# --- the text format ---------------------------------------------------------------------------


def to_text(readings: Readings) -> bytes:
    """Return metrics in the text format of Prometheus; labels without a value are left out."""
    lines: list[str] = []
    for metric, values in readings.items():
        lines.append(f"# HELP {metric.name} {metric.help}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        if metric.kind == "histogram":
            _add_histogram(lines, metric, values)
        else:
            for labels, value in values.items():
                assert isinstance(value, int | float)
                text = _label_text(metric.labels, labels)
                lines.append(f"{metric.name}{text and f'{{{text}}}'} {_number(value)}")
    lines.append("")
    return "\n".join(lines).encode(errors="backslashreplace")


def _add_histogram(lines: list[str], metric: Metric, values: Mapping[Labels, Value]) -> None:
    name = metric.name
    bounds = [f'le="{_number(bound)}"}} ' for bound in metric.bounds] + ['le="+Inf"} ']
    for labels, value in values.items():
        assert isinstance(value, Sequence)
        text = _label_text(metric.labels, labels)
        begin = f"{name}_bucket{{{text}{text and ','}"
        total = 0.0
        for bound, count in zip(bounds, value, strict=False):
            total += count
            lines.append(f"{begin}{bound}{total:.0f}")
        ending = text and f"{{{text}}}"
        lines.append(f"{name}_sum{ending} {_number(value[-1])}")
        lines.append(f"{name}_count{ending} {total:.0f}")


@lru_cache(4 * MOST_NAMES)
def _label_text(names: Labels, values: Labels) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs if value)


def _escaped(value: str) -> str:
    return visible_name(value).replace("\\", r"\\").replace('"', r"\"")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


# --- between processes -------------------------------------------------------------------------


def to_data(readings: Readings) -> list[Any]:
    """Return metrics as a value for JSON; `from_data` reads it."""
    return [[*metric, [[*pair] for pair in values.items()]] for metric, values in readings.items()]


def from_data(data: Iterable[Any]) -> Readings:
    """Return the metrics that another process of this version sent.

    >>> jobs = counter("jobs_total", "Jobs.", "queue")
    >>> from_data(to_data({jobs: {("a",): 3}})) == {jobs: {("a",): 3}}
    True
    """
    return {
        Metric(name, kind, text, tuple(labels), tuple(bounds)): {
            tuple(names): value for names, value in values
        }
        for name, kind, text, labels, bounds, values in data
    }
