"""Values too big for a message: stored once per run, named by their content."""

from __future__ import annotations

from astrum.errors import RunNotFoundError, StoreError
from astrum.protocol.keys import Keys
from astrum.redis import scripts
from astrum.redis.client import Client
from astrum.values.payload import MAX_VALUE_BYTES
from astrum.values.references import digest_of

MAX_BLOB_BYTES = MAX_VALUE_BYTES
"""The largest value that is ever read from the server, no matter what stored it."""


async def put_blob(client: Client, keys: Keys, run_id: str, data: bytes) -> str:
    """Store a value for as long as its run lives and return its digest; repeatable.

    Raises `RunNotFoundError` if the run is gone.
    """
    digest = digest_of(data)
    if not await client.call(scripts.put_blob(keys, run_id, digest, data)):
        raise RunNotFoundError(f"run {run_id!r} is gone, so its value cannot be stored")
    return digest


async def get_blob(client: Client, keys: Keys, run_id: str, digest: str) -> bytes:
    """Return a stored value.

    Raises `RunNotFoundError` if it is gone, as all values go with their run, and `StoreError` if
    the bytes are not those that were stored.
    """
    data = await read_bounded(client, keys.blob(run_id, digest))
    if data is None:
        raise RunNotFoundError(f"the value {digest} of run {run_id!r} is gone")
    if digest_of(data) != digest:
        raise StoreError(f"the value {digest} of run {run_id!r} was changed in the store")
    return data


async def read_bounded(client: Client, key: str) -> bytes | None:
    """Return a stored string, ``None`` if there is none; never takes more than the limit."""
    data = bytes(await client.execute("GETRANGE", key, 0, MAX_BLOB_BYTES))
    if len(data) > MAX_BLOB_BYTES:
        raise StoreError(f"{key} holds more than {MAX_BLOB_BYTES} bytes; who wrote it?")
    return data or None
