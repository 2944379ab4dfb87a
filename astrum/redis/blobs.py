"""Values too big for a message: stored once per run, named by their content."""

from __future__ import annotations

import asyncio

from astrum.errors import DecodeError, RunNotFoundError, StoreError
from astrum.protocol.keys import Keys
from astrum.redis import scripts
from astrum.redis.client import Client
from astrum.runtime.loops import LARGE_BYTES
from astrum.values.compression import inflate, inflated_bytes
from astrum.values.payload import MAX_VALUE_BYTES
from astrum.values.references import Blob, digest_of

MAX_BLOB_BYTES = MAX_VALUE_BYTES
"""The largest value that is ever read from the server, no matter what stored it."""


async def put_blob(client: Client, keys: Keys, run_id: str, blob: Blob) -> None:
    """Store a value for as long as its run lives; repeatable.

    Raises `RunNotFoundError` if the run is gone.
    """
    if not await client.call(scripts.put_blob(keys, run_id, blob.digest, blob.data)):
        raise RunNotFoundError(f"run {run_id!r} is gone, so its value cannot be stored")


async def get_blob(client: Client, keys: Keys, run_id: str, digest: str) -> bytes:
    """Return a stored value, inflated.

    Raises `RunNotFoundError` if it is gone, as all values go with their run, and `StoreError` if
    it cannot be inflated or is not the value that was stored.
    """
    data = await read_bounded(client, keys.blob(run_id, digest))
    if data is None:
        raise RunNotFoundError(f"the value {digest} of run {run_id!r} is gone")
    try:
        if inflated_bytes(data) <= LARGE_BYTES:
            return _checked(data, digest)
        return await asyncio.to_thread(_checked, data, digest)
    except DecodeError as error:
        raise StoreError(f"the value {digest} of run {run_id!r} cannot be read: {error}") from None


def _checked(data: bytes, digest: str) -> bytes:
    value = inflate(data)
    if digest_of(value) != digest:
        raise DecodeError("it was changed in the store")
    return value


async def read_bounded(client: Client, key: str, limit: int | None = None) -> bytes | None:
    """Return a stored string, ``None`` if there is none; never takes more than the limit.

    The default is that of values.
    """
    limit = limit or MAX_BLOB_BYTES
    data = bytes(await client.execute("GETRANGE", key, 0, limit))
    if len(data) > limit:
        raise StoreError(f"{key} holds more than {limit} bytes; who wrote it?")
    return data or None
