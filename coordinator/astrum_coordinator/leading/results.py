"""The results of a led run as the bytes its workers sent, and the arguments made of them."""

from __future__ import annotations

import asyncio
from typing import Any

from astrum.errors import RunNotFoundError, TransportError
from astrum.execution.encoded_results import EncodedResults
from astrum.execution.gathering import Fetching, Result
from astrum.redis import RunStore
from astrum.values.references import BlobRef

NIL = b"\xc0"
"""The encoded `None`."""


class Results(EncodedResults):
    """Encoded results, and what of them has to be read from the server and stored there."""

    _losses = 0

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


async def fetched(fetching: Fetching[Result], run_id: str, store: RunStore) -> Result:
    """Return what comes of a generator that asks for big values of a run, and for work."""
    answer: Any = None
    try:
        while True:
            asked = fetching.send(answer)
            if isinstance(asked, BlobRef):
                answer = await _big_value(asked, run_id, store)
            else:
                answer = await asyncio.to_thread(asked)
    except StopIteration as end:
        done: Result = end.value
        return done


async def _big_value(reference: BlobRef, run_id: str, store: RunStore) -> bytes:
    try:
        return await store.get_blob(run_id, reference.digest)
    except RunNotFoundError as error:
        raise TransportError(f"{error}; its task must run again: start a new run") from None
