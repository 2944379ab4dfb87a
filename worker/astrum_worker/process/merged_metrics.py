"""One answer for the metrics of several processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from astrum.runtime.metrics import MOST_NAMES, Labels, Metric, NameLimit, Readings, Value

_NAMES = ("namespace", "task")


class MergedMetrics:
    """Sums counters and histograms over processes, and tells the gauges of each by its place.

    What an ended process has counted remains in the sums, and so does what one counted that does
    not answer: a sum that falls looks like a restart, and rates would count all of it again.
    """

    def __init__(self, tasks: int) -> None:
        self._names = NameLimit(tasks or MOST_NAMES)
        self._last: dict[int, Readings] = {}
        self._of_ended: Readings = {}

    def take_in(self, place: int, readings: Readings) -> None:
        """Take in what the process at a place answered."""
        self._last[place] = readings

    def note_end(self, place: int) -> None:
        """Keep what the process at a place had counted: another one begins there."""
        for metric, values in self._last.pop(place, {}).items():
            if metric.kind != "gauge":
                self._add(self._of_ended, metric, values)

    def merged(self, present: Collection[int]) -> Readings:
        """Return the metrics of all places, with the gauges of those that are ``present``."""
        found: Readings = {}
        for metric, values in self._of_ended.items():
            self._add(found, metric, values)
        for place, readings in sorted(self._last.items()):
            for metric, values in readings.items():
                if metric.kind != "gauge":
                    self._add(found, metric, values)
                elif place in present:
                    _add_gauge(found, metric, values, place)
        return found

    def _add(self, found: Readings, metric: Metric, values: Mapping[Labels, Value]) -> None:
        sums = found.setdefault(metric, {})
        is_named = metric.labels[: len(_NAMES)] == _NAMES
        for labels, value in values.items():
            # Each process has a limit of its own, so together they may have more names.
            names = self._names.of(labels[: len(_NAMES)]) if is_named else ()
            key = (*names, *labels[len(names) :])
            sums[key] = _sum(sums.get(key), value)


def _add_gauge(found: Readings, metric: Metric, values: Mapping[Labels, Value], place: int) -> None:
    named = metric._replace(labels=(*metric.labels, "process"))
    told = found.setdefault(named, {})
    for labels, value in values.items():
        told[(*labels, str(place))] = value


def _sum(known: Value | None, value: Value) -> Value:
    if known is None:
        return value
    if isinstance(known, int | float):
        assert isinstance(value, int | float)
        return known + value
    assert not isinstance(value, int | float)
    return [one + other for one, other in zip(known, value, strict=True)]
