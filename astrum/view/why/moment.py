"""What is known of a run at one moment: the input of `explain`, read by the caller.

All times are seconds since the epoch on the server's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from astrum.machine.progress import Progress
from astrum.machine.state import RunState
from astrum.machine.task_log import NONE_LEFT_OUT, LogsLeftOut
from astrum.planning.plan import TaskSpec
from astrum.protocol.pauses import NO_PAUSES, Pauses
from astrum.protocol.records import CoordinatorInfo, LastWord, RunInfo, WorkerInfo
from astrum.protocol.status import LedRun
from astrum.protocol.streams import Stream
from astrum.view.why.codes import Code


class Sent(NamedTuple):
    """A dispatched attempt: when and to which offer it was sent.

    ``sequence`` is its number in that millisecond.
    """

    attempt: int
    sent_at: float
    sequence: int = 0
    offer: str = ""
    urgent: bool = False


class Taken(NamedTuple):
    """The worker that took an attempt from its queue, when, and what the task told last."""

    worker_id: str
    taken_at: float
    progress: Progress | None = None


class Lack(NamedTuple):
    """Why no live worker serves a task: one of the codes `UNSERVED`, and what to do about it.

    ``text`` says what there is instead of such a worker, as "there is no live worker: start one".
    """

    code: Code
    text: str


class Pool(Protocol):
    """The live workers at that moment, as the run sees them."""

    def serves(self, spec: TaskSpec) -> bool:
        """Return whether any live worker would run the task."""
        ...

    def lack(self, spec: TaskSpec) -> Lack:
        """Return why no worker serves a task."""
        ...

    def servers(self, spec: TaskSpec) -> Sequence[str]:
        """Return the ids of the live workers that serve a task, also of those that drain."""
        ...


class NoPool:
    """The pool of a run that is over: no task waits for any worker."""

    def serves(self, spec: TaskSpec) -> bool:
        """Return `True`: nothing is missing."""
        return True

    def lack(self, spec: TaskSpec) -> Lack:
        """Return that there is no worker."""
        return Lack(Code.UNSERVED_NO_WORKER, "there is no live worker")

    def servers(self, spec: TaskSpec) -> Sequence[str]:
        """Return none."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoment:
    """The data of a run at one moment.

    ``sent`` and ``taken`` are by task number, ``queued`` counts by stream the attempts, of any run,
    that wait there for a worker. The messages of ``vanished`` tasks are not in their queues.
    ``workers`` are the live ones, ``silent`` those that hold attempts of the run and have no lease
    any more, ``coordinators`` those that were heard of. ``pauses`` are what operators have paused.
    ``logs_left_out`` says how many logs of attempts are not kept. Of a run that is over only this
    and the first three are known.
    """

    state: RunState
    info: RunInfo
    now: float
    sent: Mapping[int, Sent] = field(default_factory=dict)
    taken: Mapping[int, Taken] = field(default_factory=dict)
    queued: Mapping[Stream, int] = field(default_factory=dict)
    vanished: Collection[int] = ()
    workers: Sequence[WorkerInfo] = ()
    silent: Mapping[str, LastWord] = field(default_factory=dict)
    coordinators: Sequence[CoordinatorInfo] = ()
    pauses: Pauses = NO_PAUSES
    logs_left_out: LogsLeftOut = NONE_LEFT_OUT

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.info.run_id

    @property
    def is_led(self) -> bool:
        """True if a coordinator leads the run."""
        return self.info.lease_s > 0

    @property
    def led(self) -> LedRun | None:
        """What the leader says about the run, `None` if there is none or if it is not known."""
        leader = self.leader
        runs = () if leader is None else leader.status.leaderships
        return next((run for run in runs if run.run_id == self.run_id), None)

    @property
    def leader(self) -> CoordinatorInfo | None:
        """The coordinator that leads the run, `None` if none does or if it was not heard of."""
        if not self.is_led:
            return None
        return next((one for one in self.coordinators if one.owner == self.info.owner), None)
