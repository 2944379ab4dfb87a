"""Reads the chronicles of runs whose records have expired."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NamedTuple

from astrum.errors import DecodeError, StoreConfigurationError
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.redis.scripts import chunks
from astrum.view.report.chronicle import decode_chronicle
from astrum.view.report.past_why import Chronicle

logger = logging.getLogger("astrum.coordinator")

MOST_PAST = 10_000
"""Of so many chronicles, the newest, some are chosen."""
_AT_ONCE = 200


class PastRun(NamedTuple):
    """A run of which only the chronicle is left.

    ``run`` is the part of that name of its columns (docs/schemas/run-1.json), `None` if the
    chronicle cannot be read; ``unreadable`` says why.
    """

    run_id: str
    run: dict[str, Any] | None
    unreadable: str = ""


async def read_chronicle(store: RunStore, seal: Seal, run_id: str) -> Chronicle | None:
    """Return what is kept of a run, `None` if there is nothing.

    Raises `DecodeError` if it is damaged, of another version, or not signed.
    """
    try:
        data = await store.chronicle(run_id)
    except StoreConfigurationError as error:  # access rules of an earlier version
        logger.debug("run %s: its chronicle cannot be read: %s", run_id, error)
        return None
    if data is None:
        return None
    return await asyncio.to_thread(decode_chronicle, run_id, seal.open_chronicle(run_id, data))


async def past_runs(store: RunStore, seal: Seal, limit: int) -> list[PastRun]:
    """Return runs of which only the chronicles are left, newest first; these are read one by one.

    At most ``limit``, of the newest `MOST_PAST` chronicles.
    """
    found: list[PastRun] = []
    for part in chunks(await store.chronicle_ids(MOST_PAST), _AT_ONCE):
        stored = await store.run_states(list(part))
        for run_id in part:
            if len(found) == limit:
                return found
            if run_id not in stored and (run := await _past_run(store, seal, run_id)) is not None:
                found.append(run)
    return found


async def _past_run(store: RunStore, seal: Seal, run_id: str) -> PastRun | None:
    try:
        chronicle = await read_chronicle(store, seal, run_id)
    except DecodeError as error:
        return PastRun(run_id, None, str(error))
    return None if chronicle is None else PastRun(run_id, chronicle.columns["run"])
