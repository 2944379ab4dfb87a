"""The builders of the scripts that carry out requests of operators."""

from __future__ import annotations

from collections.abc import Iterable

from astrum.protocol.keys import Keys
from astrum.redis.script_library import Argument, ScriptCall

PAUSES_TTL_MS = 7 * 86_400_000


def pause(keys: Keys, pauses: Iterable[tuple[str, bytes]]) -> ScriptCall:
    """Keep pauses (field, data)."""
    arguments: list[Argument] = [PAUSES_TTL_MS]
    for field, data in pauses:
        arguments += [field, data]
    return ScriptCall("pause", [keys.paused], arguments)


def drain(keys: Keys, worker_id: str, request: str) -> ScriptCall:
    """Ask a live worker to drain. Reply: 0 if it is not alive."""
    return ScriptCall("drain", [keys.leases, keys.worker(worker_id)], [worker_id, request])
