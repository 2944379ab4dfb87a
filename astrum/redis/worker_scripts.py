"""The builders of the scripts that workers call: leases, claims, what they set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from astrum.protocol.keys import GROUP, Keys
from astrum.protocol.process_end import ProcessEnd, encode_process_end
from astrum.protocol.task_logs import LOG_COSTS_BYTES, SIZES_OF_LOGS, most_bytes
from astrum.redis.script_library import Argument, ScriptCall
from astrum.redis.scripts import OPEN_TTL_S, flat, milliseconds
from astrum.redis.settlement import StoredLog

WORKER_DETAILS_TTL_S = 300.0
DEAD_LETTERS_KEPT = 1000
DEAD_LETTERS_TTL_S = 7 * 86400.0


def register(
    keys: Keys, worker_id: str, details: Mapping[str, str], served: bytes, lease_s: float
) -> ScriptCall:
    """Register a worker with its first lease. Reply: the server's time in ms."""
    arguments: list[Argument] = [
        worker_id,
        milliseconds(lease_s),
        _details_ttl_ms(lease_s),
        milliseconds(OPEN_TTL_S),
        served,
        *flat(details),
    ]
    return ScriptCall("register", [keys.leases, keys.worker(worker_id)], arguments)


def beat(keys: Keys, worker_id: str, lease_s: float, status: bytes = b"") -> ScriptCall:
    """Renew a worker's lease.

    Reply: the server's time in ms, negative if the lease was over or the registration gone.
    """
    lives_ms = (milliseconds(lease_s), _details_ttl_ms(lease_s), milliseconds(OPEN_TTL_S))
    arguments: list[Argument] = [worker_id, *lives_ms, status]
    return ScriptCall("beat", [keys.leases, keys.worker(worker_id)], arguments)


def _details_ttl_ms(lease_s: float) -> int:
    return milliseconds(max(WORKER_DETAILS_TTL_S, 4 * lease_s))


def end_lease(keys: Keys, worker_id: str, end: ProcessEnd) -> ScriptCall:
    """End the lease of a worker whose process has ended. Reply: 0 if it had no lease."""
    ttl_ms = milliseconds(WORKER_DETAILS_TTL_S)
    arguments: list[Argument] = [worker_id, ttl_ms, encode_process_end(end)]
    return ScriptCall("end_lease", [keys.leases, keys.worker(worker_id)], arguments)


def status(keys: Keys, worker_id: str, data: bytes) -> ScriptCall:
    """Store a worker's status. Reply: 0 if the worker is not registered."""
    return ScriptCall("status", [keys.worker(worker_id)], [data])


def drop(
    keys: Keys, worker_id: str, streams: Iterable[str], *, leaves: bool, is_last: bool, held: int
) -> ScriptCall:
    """Forget a worker, a part of the streams at a time.

    Reply: in how many streams it holds something, those of earlier parts (``held``) included, or
    -1 if it is alive.
    """
    names = [keys.leases, keys.worker(worker_id), *streams]
    return ScriptCall("drop", names, [worker_id, GROUP, int(leaves), int(is_last), held])


def claim(streams: Sequence[str], worker_id: str, count: int) -> ScriptCall:
    """Claim at most ``count`` entries, earlier streams first. Reply: as XREADGROUP."""
    return ScriptCall("claim", streams, [GROUP, worker_id, count])


def exclusive(keys: Keys, worker_id: str, ttl_s: float) -> ScriptCall:
    """Let a worker make room for an exclusive attempt; 0 s takes it back. Reply: 1 if it may."""
    ttl_ms = milliseconds(ttl_s) if ttl_s else 0
    return ScriptCall("exclusive", [keys.exclusive, keys.leases], [worker_id, ttl_ms])


def set_aside(
    keys: Keys, stream: str, entry_id: str, data: bytes, signature: bytes, reason: str
) -> ScriptCall:
    """Move an entry to the dead letters. Reply: 0 if it was not pending."""
    arguments: list[Argument] = [
        GROUP,
        entry_id,
        data,
        signature,
        reason,
        DEAD_LETTERS_KEPT,
        milliseconds(DEAD_LETTERS_TTL_S),
    ]
    return ScriptCall("set_aside", [stream, keys.dead_letters], arguments)


def put_log(keys: Keys, log: StoredLog) -> ScriptCall:
    """Store the log of an attempt, in place of an earlier part. Reply: 1, 0 if there is no such
    run, 2 if it is left out: the logs of the run have reached their limit.
    """
    run_id, name = log.run_id, log.name
    names = [keys.attempts(run_id), keys.blob(run_id, name), keys.blobs(run_id)]
    names.append(keys.blob(run_id, SIZES_OF_LOGS))
    most = most_bytes(log.limit_bytes, is_failure=log.is_failure)
    limits: list[Argument] = [most, log.limit_bytes, int(log.is_whole), LOG_COSTS_BYTES]
    return ScriptCall("put_log", names, [log.data, name, SIZES_OF_LOGS, *limits])
