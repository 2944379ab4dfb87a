"""The calls between a leader and its dispatcher."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from astrum.machine.events import Outcome
from astrum.machine.failure import Failure
from astrum.planning.axes import ListSource
from astrum.planning.fingerprint import COMPATIBLE
from astrum.planning.plan import Plan
from astrum.protocol.run_header import RunHeader
from astrum.protocol.streams import Stream

NO_HEADER = RunHeader("", "")


class RunRef(NamedTuple):
    """A run, and the epoch under which it is led here.

    ``trace`` is its ``traceparent``, or "". ``versions`` says which code may run its tasks.
    ``header`` is what the run was created with: it has the inputs; ``lengths`` as in `StoredRun`.
    """

    run_id: str
    epoch: int
    plan: Plan
    trace: str = ""
    versions: str = COMPATIBLE
    header: RunHeader = NO_HEADER
    lengths: Mapping[ListSource, int] = MappingProxyType({})


class SentAttempt(NamedTuple):
    """The place of a dispatched attempt in Redis, and since when it is known here.

    ``known_at`` is on this process's monotonic clock: the server's may be set at any time.
    """

    attempt: int
    entry_id: str
    stream: Stream
    known_at: float


class Revocation(NamedTuple):
    """An attempt to settle from here: cancelled, timed out with its reason, or taken back.

    With ``if_unclaimed`` it is settled only if no worker has claimed it.
    """

    task: int
    attempt: int
    outcome: Outcome
    failure: Failure | None = None
    blocked: str = ""
    if_unclaimed: bool = False


class DispatchListener(Protocol):
    """The reports of a dispatcher to its leader.

    After `on_failure` and `on_mismatch` nothing is sent until the run was read again.
    """

    def on_failure(self, error: Exception) -> None:
        """Handle an error that ended the sending.

        `LeadershipLostError`: another leader's epoch was found. `RunNotFoundError`: the run's
        record is gone. Any other is a bug of Astrum.
        """

    def on_mismatch(self) -> None:
        """Handle that Redis holds another attempt of a task than the leader assumes."""

    def on_withdrawn(self, task: int, attempt: int) -> None:
        """Handle that an attempt was revoked before it was sent."""

    def on_already_settled(self) -> None:
        """Handle that an attempt that was to be sent has been settled before."""

    def on_told(self, stream: Stream, length: int, others: int) -> None:
        """Handle what the server says of a stream after a dispatch.

        ``length`` is how many attempts it holds, of all runs; ``others`` is the weight of the
        other runs that want more there.
        """
