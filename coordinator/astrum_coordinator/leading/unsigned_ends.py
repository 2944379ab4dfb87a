"""Journal records with an invalid signature: the leader settles these attempts again.

A worker without the right key may settle an attempt. The server then accepts no other end for it,
and no leader accepts the record.
"""

from __future__ import annotations

from astrum.errors import StoreUnavailableError
from astrum.machine.events import Outcome
from astrum.machine.failure import UNDECODABLE, UNSERVED, Failure
from astrum.machine.state import RunState
from astrum.protocol.messages import Record, claimed_ends
from astrum.redis.run_store import RunStore

SEED_MARK = "0!"
"""The beginning of the fence of a task that an earlier run has the result of."""


class UnsignedEnds:
    """The rejected ends of one run's attempts, as far as they may matter.

    ``seen`` counts all that its journal holds.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._ends: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._ends)

    def note(self, entry: bytes, state: RunState) -> None:
        """Remember which ends a journal entry claims, of the current attempts or the next ones."""
        for task, attempt in claimed_ends(entry):
            self.seen += 1
            if task < len(state.attempts) and 0 <= attempt - state.attempts[task] <= 1:
                self._ends.add((task, attempt))

    async def replacements(self, store: RunStore, run_id: str, state: RunState) -> list[Record]:
        """Return ends to use instead, for attempts that are outstanding but settled at the server.

        They are forgotten then. Raises `StoreUnavailableError`, and forgets nothing.
        """
        outstanding = set(state.outstanding())
        ends = self._ends & outstanding
        self._ends -= ends  # the rest: ended since, or not dispatched yet
        # A seed's attempt is 0, and its fence refuses every other one.
        ends |= {(task, attempt) for task, attempt in outstanding if (task, 0) in self._ends}
        try:
            marks = {end: await store.attempt_state(run_id, end[0]) for end in sorted(ends)}
        except StoreUnavailableError:
            self._ends |= ends
            raise
        return [
            _replacement(task, attempt, mark)
            for (task, attempt), mark in marks.items()
            if mark.startswith((f"{attempt}=", f"{attempt}!", SEED_MARK))
        ]


def _replacement(task: int, attempt: int, mark: str) -> Record:
    """Return the end to use instead; after a final mark, no further attempt is possible."""
    why = f"its end, settled by {mark.lstrip('0123456789')[1:]!r}, is not signed by a known key"
    if "!" in mark:
        return Record(task, attempt, Outcome.FAILED, failure=Failure((UNDECODABLE,), why))
    return Record(task, attempt, Outcome.HANDED_BACK, failure=Failure((UNSERVED,), why))
