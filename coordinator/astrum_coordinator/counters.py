"""What a coordinator counts of its work, for `/metrics`."""

from __future__ import annotations

from collections import Counter

from astrum.errors import StoreError
from astrum.protocol.process_end import CAUSES, ProcessEnd
from astrum.redis.connection_counts import ERROR_KINDS, kind_of_error
from astrum.runtime.metrics import (
    SECONDS,
    Labels,
    NameLimit,
    Readings,
    Value,
    counter,
    gauge,
    histogram,
    no_values,
    observe,
)

RUNS_ENDED = counter(
    "astrum_runs_ended_total", "Runs that ended under this leader.", "namespace", "state"
)
RUN_SECONDS = histogram(
    "astrum_run_seconds", "How long these runs took from their begin.", SECONDS, "namespace"
)
LOSSES = counter(
    "astrum_losses_total", "Attempts of dead workers that were settled as lost here.", "cause"
)
QUARANTINES = counter(
    "astrum_quarantines_total",
    "Tasks that were given up because their workers died, counted when their runs ended.",
)
ADOPTIONS = counter("astrum_adoptions_total", "Runs that this coordinator began to lead.")
LEADERSHIPS_LOST = counter(
    "astrum_leaderships_lost_total",
    "Runs that it stopped leading before their end, other than by being stopped.",
)
DISPATCHES = counter(
    "astrum_dispatches_total", "Attempts that were sent to queues.", "queue", "lane"
)
REFUSALS = counter(
    "astrum_dispatch_refusals_total", "Batches of attempts that the server refused.", "kind"
)
JOURNAL_LAG = gauge(
    "astrum_journal_lag_seconds",
    "From the end of an attempt until its leader had read it, at worst since the last scrape.",
)


LEASE_ENDED = "lease"
"""The cause of a loss of which only is known that the lease of the worker ended."""


class CoordinatorCounters:
    """Counts since the coordinator began; namespaces after the first 200 are counted together."""

    def __init__(self) -> None:
        self._losses: Counter[str] = Counter(dict.fromkeys((*CAUSES, LEASE_ENDED), 0))
        self.adoptions = 0
        self.leaderships_lost = 0
        self.quarantines = 0
        self._dispatches: Counter[Labels] = Counter()
        self._refusals: Counter[str] = Counter(dict.fromkeys(ERROR_KINDS, 0))
        self._names = NameLimit()
        self._runs_ended: Counter[Labels] = Counter()
        self._run_s: dict[Labels, list[float]] = {}
        self._lag_s = 0.0

    def note_dispatch(self, queue: str, lane: str, count: int) -> None:
        """Count attempts that were sent in one batch."""
        self._dispatches[queue, lane] += count

    def note_refusal(self, error: StoreError) -> None:
        """Count a batch that the server refused."""
        self._refusals[kind_of_error(error)] += 1

    def note_losses(self, end: ProcessEnd | None, count: int) -> None:
        """Count attempts that were lost with a worker, whose process ended so or fell silent."""
        self._losses[LEASE_ENDED if end is None else end.cause] += count

    def note_lag(self, lag_s: float) -> None:
        """Note how old the latest entry of a journal was when it was read."""
        self._lag_s = max(self._lag_s, lag_s)

    def note_run_end(self, namespace: str, state: str, took_s: float, quarantines: int) -> None:
        """Count a run that its leader has ended."""
        name = self._names.of((namespace,))
        self._runs_ended[*name, state] += 1
        observe(self._run_s.setdefault(name, no_values(SECONDS)), SECONDS, took_s)
        self.quarantines += quarantines

    def readings(self) -> Readings:
        """Return all values; the worst lag begins again with each call."""
        lag_s, self._lag_s = self._lag_s, 0.0
        run_s: dict[Labels, Value] = {name: tuple(one) for name, one in self._run_s.items()}
        return {
            RUNS_ENDED: {**self._runs_ended},
            RUN_SECONDS: run_s,
            LOSSES: {(cause,): count for cause, count in self._losses.items()},
            QUARANTINES: {(): self.quarantines},
            ADOPTIONS: {(): self.adoptions},
            LEADERSHIPS_LOST: {(): self.leaderships_lost},
            DISPATCHES: {**self._dispatches},
            REFUSALS: {(kind,): self._refusals[kind] for kind in ERROR_KINDS},
            JOURNAL_LAG: {(): round(lag_s, 3)},
        }


METRICS = (
    *(RUNS_ENDED, RUN_SECONDS, LOSSES, QUARANTINES, ADOPTIONS, LEADERSHIPS_LOST),
    *(DISPATCHES, REFUSALS, JOURNAL_LAG),
)
