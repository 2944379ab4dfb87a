"""The counters that a worker publishes in its status."""

from __future__ import annotations

from dataclasses import dataclass

from astrum.machine.events import Outcome

_BY_OUTCOME = {outcome: outcome.name.lower() for outcome in Outcome}


@dataclass(slots=True)
class Counters:
    """Counts of events since the worker started.

    ``fenced``: ends that came too late. ``restored``: ends that the server had lost.
    ``hung``: attempts that continued after their cancellation. ``logs_dropped``: logs of attempts
    that the server did not take. ``logs_left_out``: those of runs whose logs were at their limit.
    """

    claimed: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    handed_back: int = 0
    never_began: int = 0
    revoked: int = 0
    set_aside: int = 0
    fenced: int = 0
    restored: int = 0
    hung: int = 0
    skipped: int = 0
    logs_dropped: int = 0
    logs_left_out: int = 0

    @property
    def ended(self) -> int:
        """The number of attempts that ran here to an end."""
        return self.succeeded + self.failed + self.timed_out + self.skipped

    def count(self, outcome: Outcome) -> None:
        """Count an attempt by how it ended here."""
        if outcome is Outcome.SUCCEEDED:
            self.succeeded += 1
            return
        name = _BY_OUTCOME[outcome]
        setattr(self, name, getattr(self, name) + 1)

    def to_data(self) -> dict[str, int]:
        """Return all numbers by name."""
        return {name: getattr(self, name) for name in self.__slots__}
