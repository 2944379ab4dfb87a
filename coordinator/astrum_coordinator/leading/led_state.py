"""The knowledge of a leader about its run. It is replaced as a whole when the run is read again."""

from __future__ import annotations

from collections.abc import Mapping

from astrum.machine.events import AttemptFoundOutstanding, Released
from astrum.machine.state import RunState
from astrum.protocol.messages import Record
from astrum.protocol.records import Outstanding
from astrum.redis.entries import is_after
from astrum.redis.journals import BEGINNING
from astrum.runtime.collector import collector_paused
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.dispatch_calls import DispatchListener, RunRef
from astrum_coordinator.leading.dispatcher import Dispatcher
from astrum_coordinator.leading.results import NIL, Results
from astrum_coordinator.leading.run_streams import RunStreams
from astrum_coordinator.leading.unsigned_ends import UnsignedEnds
from astrum_coordinator.scheduling.paces import Paces
from astrum_coordinator.scheduling.routes import Router


class LedState:
    """The state and the results of a led run, and its dispatcher, up to the journal's ``cursor``.

    ``paces`` are those of all streams of the coordinator.
    """

    def __init__(
        self, context: CoordinatorContext, run: RunRef, listener: DispatchListener, paces: Paces
    ) -> None:
        config = context.config
        self.cursor = BEGINNING
        with collector_paused():
            self.state = RunState(run.plan, run_key=run.run_id, lengths=run.lengths)
        self.results = Results(self.state.tasks, config.max_argument_bytes, self.state)
        self.results.keep_inputs(run.header.inputs)
        self.results.names.note_inputs(run.header.inputs)
        self._names = self.results.names if self.results.names.is_needed else None
        self.unsigned_ends = UnsignedEnds()
        priority = run.header.priority
        router = Router(run.plan, run.versions, priority)
        limit = config.outstanding_limit
        self.streams = RunStreams(self.state, router, paces, limit, priority)
        self.dispatcher = Dispatcher(run, self.results, self.streams, context, listener)

    def advance(self, entry_id: str) -> bool:
        """Move the cursor to a journal entry; ``False`` if it was read before."""
        if not is_after(entry_id, self.cursor):
            return False
        self.cursor = entry_id
        return True

    def keep(self, record: Record) -> None:
        """Keep the result of an attempt that ended, and forget where the attempt stood."""
        task = record.task
        if record.gives_result and 0 <= task < len(self.state.tasks):
            self._keep_result(task, record.value or NIL)
        self.dispatcher.forget(task)

    def keep_given(self, released: Released) -> None:
        """Keep the result that a person gave a task that is held."""
        if self.state.takes_result_of(released):
            self._keep_result(released.task, released.value or NIL)

    def _keep_result(self, task: int, value: bytes) -> None:
        self.results.keep(task, value)
        if self._names is not None:
            self._names.note(task, value)

    def restore_outstanding(self, found: Mapping[int, Outstanding]) -> None:
        """Take in which attempts an earlier leader, or this one, has out."""
        for task, outstanding in found.items():
            stream = self.streams.number(outstanding.stream)
            self.state.handle(AttemptFoundOutstanding(task, outstanding.attempt, stream))
        for task, _ in self.state.outstanding():
            self.dispatcher.remember(task, found[task])
