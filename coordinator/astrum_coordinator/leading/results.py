"""The results of a led run as the bytes its workers sent, and the arguments made of them."""

from __future__ import annotations

from astrum.execution.child_names import ChildNames
from astrum.execution.encoded_results import EncodedResults
from astrum.machine.state import RunState
from astrum.machine.task_table import TaskTable
from astrum.redis import RunStore
from astrum_coordinator.fetching import fetched

NIL = b"\xc0"
"""The encoded `None`."""


class Results(EncodedResults):
    """Encoded results, and what of them has to be read from the server and stored there.

    ``names`` knows the keys of children before the first of them is sent.
    """

    _losses = 0

    def __init__(self, tasks: TaskTable, max_bytes: int, state: RunState | None = None) -> None:
        super().__init__(tasks, max_bytes, state)
        self.names = ChildNames(tasks)

    async def fetched_arguments(self, task: int, run_id: str, store: RunStore) -> bytes:
        """Return the encoded arguments of any task or child; what they refer to is stored then.

        Raises `TransportError` for arguments that cannot be made, `StoreError` kinds, and
        `RunNotFoundError` if the run is gone.
        """
        losses = store.bulk.loss_detector.count
        if losses != self._losses:
            self._losses = losses
            self.forget_joined()  # the server may have lost what was stored
        data = await fetched(self.fetching_arguments(task), run_id, store)
        for blob in self.take_unstored():
            await store.put_blob(run_id, blob)
        return data
