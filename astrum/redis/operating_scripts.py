"""The builders of the scripts that carry out requests of operators."""

from __future__ import annotations

from collections.abc import Iterable

from astrum.protocol.keys import Keys
from astrum.protocol.run_header import StoredPlan
from astrum.redis.script_library import Argument, ScriptCall
from astrum.redis.scripts import BLOBS_PER_PART, OPEN_TTL_S

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


def forget(keys: Keys, run_id: str, cursor: bytes) -> ScriptCall:
    """Delete a part of an ended run. Reply: the next cursor, "0", "OPEN" or "GONE"."""
    of_the_run = [
        keys.run(run_id),
        keys.attempts(run_id),
        keys.journal(run_id),
        keys.blobs(run_id),
    ]
    names = [*of_the_run, keys.runs, keys.history, keys.untidied, keys.index]
    return ScriptCall("forget", names, [run_id, cursor, BLOBS_PER_PART, keys.blob(run_id, "")])


def reopen(
    keys: Keys, run_id: str, entry: bytes, state: str, final_tasks: Iterable[int]
) -> ScriptCall:
    """Open an ended run. Reply: 1 opened, 0 another state, -1 no run, -2 partly expired."""
    of_the_run = [
        keys.run(run_id),
        keys.attempts(run_id),
        keys.journal(run_id),
        keys.blobs(run_id),
    ]
    indexes = [keys.runs, keys.history, keys.untidied, keys.index, keys.wake]
    arguments: list[Argument] = [run_id, entry, state, round(OPEN_TTL_S * 1000), keys.plan("")]
    return ScriptCall("reopen", [*of_the_run, *indexes], [*arguments, *final_tasks])


def publish(
    keys: Keys, name: str, record: bytes, plan: StoredPlan, old: tuple[bytes, str]
) -> ScriptCall:
    """Publish a flow in place of another record. Reply: 0 if there is not that one now."""
    names = [keys.flows, keys.plan(plan.digest), keys.delayed]
    ttl_ms = round(OPEN_TTL_S * 1000)
    return ScriptCall("publish", names, [name, record, plan.data, keys.plan(""), *old, ttl_ms])


def unpublish(keys: Keys, name: str, record: bytes, digest: str) -> ScriptCall:
    """Remove a published flow. Reply: 0 if its record is another one now."""
    names = [keys.flows, keys.plan(digest), keys.delayed]
    return ScriptCall("unpublish", names, [name, record, round(OPEN_TTL_S * 1000)])
