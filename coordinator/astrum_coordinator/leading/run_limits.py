"""The limits of time of a led run: for the whole run, and for its clean-up once it stops."""

from __future__ import annotations

from collections.abc import Callable

from astrum.machine.events import CleanupStopped, RunTimedOut
from astrum.machine.state import RunState
from astrum.protocol.messages import LeaderEvent
from astrum.protocol.records import RunInfo
from astrum_coordinator.leading.run_timers import RunTimers

TIMEOUT_DETAIL = "timeout_s"


class RunLimits:
    """Journals that a run, or its clean-up, has taken too long."""

    def __init__(
        self, timers: RunTimers, info: RunInfo, journal: Callable[[LeaderEvent], None]
    ) -> None:
        self._timers = timers
        self._info = info
        self._journal = journal
        self._limits_cleanup = False

    def limit_run(self, state: RunState, unserved: Callable[[], str]) -> None:
        """Watch the run's own limit; ``unserved`` says which tasks no worker serves then."""
        limit_s = self._info.duration(TIMEOUT_DETAIL)
        if limit_s is None or state.stopping:
            return
        reopened = state.attempt_log.reopened
        begun_at = reopened[-1].at if reopened else self._info.begun_at
        self._timers.limit_run(
            begun_at,
            limit_s,
            lambda: self._journal(RunTimedOut(self._timers.server_now(), limit_s, unserved())),
        )

    def limit_cleanup(self, state: RunState) -> None:
        """Watch the limit of the clean-up as soon as the run stops."""
        until = state.cleanup_until
        if until is None or self._limits_cleanup:
            return
        self._limits_cleanup = True
        self._timers.limit_cleanup(until, state.plan.cleanup_s, lambda: self._on_late(state))

    def _on_late(self, state: RunState) -> None:
        self._journal(CleanupStopped.too_late(self._timers.server_now(), state.plan.cleanup_s))
