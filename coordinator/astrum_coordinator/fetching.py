"""Reads big values of a run for code that asks for them and does not know the server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from astrum.errors import RunNotFoundError, TransportError
from astrum.execution.child_names import ChildNames
from astrum.execution.gathering import Fetching, Result
from astrum.redis import RunStore
from astrum.values.references import BlobRef


async def fetched(fetching: Fetching[Result], run_id: str, store: RunStore) -> Result:
    """Return what comes of a generator that asks for big values of a run, and for work.

    Raises what it raises, and `StoreError` kinds.
    """
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


async def learn_names(names: ChildNames, run_id: str, store: RunStore) -> None:
    """Read the big values that have the keys of children; raises `StoreError` kinds."""
    for naming in names.learning():
        with suppress(TransportError):  # then the names of these children have their indexes
            await fetched(naming, run_id, store)


async def _big_value(reference: BlobRef, run_id: str, store: RunStore) -> bytes:
    try:
        return await store.get_blob(run_id, reference.digest)
    except RunNotFoundError as error:
        raise TransportError(f"{error}, so what reads it cannot run: start a new run") from None
