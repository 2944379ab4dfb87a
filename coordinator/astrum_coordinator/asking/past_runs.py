"""Reads the chronicles of runs whose records have expired."""

from __future__ import annotations

import asyncio
import logging

from astrum.errors import StoreConfigurationError
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.view.report.chronicle import decode_chronicle
from astrum.view.report.past_why import Chronicle

logger = logging.getLogger("astrum.coordinator")


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
