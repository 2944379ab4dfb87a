"""One typed builder for each Lua script: its arguments and the form of its reply.

A builder makes a `ScriptCall`, which any driver can send: that of the stores, of the heartbeat
thread and of the tests of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from astrum.errors import LeadershipLostError, RunNotFoundError
from astrum.protocol.keys import GROUP, Keys
from astrum.protocol.run_header import NewRun, SeedPart
from astrum.redis.records import Dispatched
from astrum.redis.script_library import Argument, ScriptCall
from astrum.redis.settlement import Settlement, Verdict

MAX_ITEMS = 500
"""Items per script call: Lua's ``unpack`` is limited, and a call must not take long."""
OPEN_TTL_S = 7 * 86400.0
"""The time for which an open run outlives its last leader."""
SEEDS_TTL_S = 1800.0
"""The life of seeds whose run is not created yet, and of their values until `prolong`."""
QUEUE_TTL_S = OPEN_TTL_S
"""The time for which a queue outlives its last dispatch: as long as a run that may wait there."""
IDLE_QUEUE_TTL_S = 86400.0
SPARE_QUEUE_TTL_S = 3600.0
"""The rest of an idle queue's life in which coordinators drop it, with its name."""
WANT_S = 3.0
"""The time for which a run counts among those that have more for a stream."""
BLOBS_PER_PART = 1000
"""The number of blobs whose lives one call changes; it takes the server a few milliseconds."""
STREAMS_PER_PART = 200
LATEST_LEASES_LOOKED_AT = 100
DUE_RUNS_PER_CALL = 500
"""The most delayed runs that one call lets begin; it takes the server a few milliseconds."""
OUTLINE_ROWS = 2_000
OUTLINE_BYTES = 4 * 1024 * 1024
"""The limit of one call, so that it blocks the server for some milliseconds only."""


def chunks(items: Sequence[Any], size: int = MAX_ITEMS) -> Iterable[Sequence[Any]]:
    """Yield the items in parts of at most ``size``.

    >>> list(chunks("abcde", 2))
    ['ab', 'cd', 'e']
    """
    return (items[i : i + size] for i in range(0, len(items), size))


def milliseconds(seconds: float) -> int:
    """Return a duration in ms, at least 1."""
    return max(1, round(seconds * 1000))


def queue_ttl_ms() -> int:
    """Return the life of a queue in use."""
    return milliseconds(QUEUE_TTL_S)


def flat(details: Mapping[str, str]) -> list[str]:
    """Return details as arguments: name, value, name, value."""
    return [text for pair in details.items() for text in pair]


def _run_keys(keys: Keys, run_id: str) -> list[str]:
    return [
        keys.run(run_id),
        keys.attempts(run_id),
        keys.journal(run_id),
        keys.blobs(run_id),
    ]


# --- runs ------------------------------------------------------------------------------------


class Creation(IntEnum):
    """The replies to `create`."""

    SEEDS_GONE = -4
    FLOW_CHANGED = -3
    PLAN_UNKNOWN = -2
    CONFLICT = -1
    EXISTS = 0
    CREATED = 1


class Seeding(IntEnum):
    """The replies to `seed`."""

    BUSY = -2
    RUN_EXISTS = -1
    VALUE_GONE = 0
    WRITTEN = 1


def create(keys: Keys, run: NewRun, plan: bytes = b"") -> ScriptCall:
    """Create a run; without ``plan`` the server must have it. Reply: a `Creation`."""
    run_id, digest, header, identity, details, values, start_at, wakes, published, seeds = run
    arguments: list[Argument] = [run_id, digest, milliseconds(OPEN_TTL_S), keys.run("")]
    arguments += [identity, header, round(start_at * 1000)]
    arguments += [int(wakes), plan, len(values), *published, *seeds]
    names = [*_run_keys(keys, run_id), keys.runs, keys.index, keys.plan(digest), keys.wake]
    names += (keys.flows, keys.delayed)
    for blob in values:
        names.append(keys.blob(run_id, blob.digest))
        arguments += blob
    if seeds.token:
        names += keys.staged(run_id)
    return ScriptCall("create", names, [*arguments, *flat(details)])


def seed(
    keys: Keys, run_id: str, token: str, old_run_id: str, part: SeedPart, *, is_first: bool
) -> ScriptCall:
    """Write seeds of a run that is to be created. Reply: a `Seeding`."""
    names = [*keys.staged(run_id), keys.run(run_id)]
    for digest in part.digests:
        names += (keys.blob(old_run_id, digest), keys.blob(run_id, digest))
    head: list[Argument] = [token, int(is_first), milliseconds(SEEDS_TTL_S), part.entry]
    return ScriptCall("seed", names, [*head, len(part.tasks), *part.tasks, *part.digests])


def unseed(keys: Keys, run_id: str, token: str) -> ScriptCall:
    """Remove seeds of a run that was not created. Reply: 0 if nothing is left to do."""
    names = [*keys.staged(run_id), keys.attempts(run_id), keys.blobs(run_id)]
    return ScriptCall("unseed", names, [token, BLOBS_PER_PART, keys.blob(run_id, "")])


def adopt(
    keys: Keys, run_ids: Iterable[str], owner: str, lease_s: float, versions: str
) -> ScriptCall:
    """Acquire the leadership of runs. Reply: `listing.read_adopted`."""
    names = [keys.runs, keys.delayed]
    arguments: list[Argument] = [owner, milliseconds(lease_s), milliseconds(OPEN_TTL_S), versions]
    for run_id in run_ids:
        names += (keys.run(run_id), keys.attempts(run_id), keys.journal(run_id))
        arguments.append(run_id)
    return ScriptCall("adopt", names, arguments)


def release(keys: Keys, run_id: str, owner: str, epoch: int) -> ScriptCall:
    """End a run's leadership. Reply: 0 if it was not held."""
    arguments: list[Argument] = [owner, epoch, run_id, milliseconds(OPEN_TTL_S)]
    return ScriptCall("release", [keys.run(run_id), keys.runs], arguments)


def renew(keys: Keys, owner: str, epochs: Iterable[tuple[str, int]], lease_s: float) -> ScriptCall:
    """Renew the leases of runs (id, epoch). Reply: 1 or 0 for each."""
    names = [keys.runs]
    arguments: list[Argument] = [owner, milliseconds(lease_s), milliseconds(OPEN_TTL_S)]
    for run_id, epoch in epochs:
        names.append(keys.run(run_id))
        arguments += [run_id, epoch]
    return ScriptCall("renew", names, arguments)


class LedCounts(NamedTuple):
    """The counts of a run, from who leads it under an epoch."""

    run_id: str
    epoch: int
    counts: bytes


def announce(
    keys: Keys,
    owner: str,
    details: Mapping[str, str],
    status: bytes,
    led: Iterable[LedCounts],
    life_s: float,
) -> ScriptCall:
    """Publish what a coordinator does, for a while, and the counts of runs that it leads."""
    names = [keys.coordinators, keys.coordinator(owner)]
    arguments: list[Argument] = [owner, milliseconds(life_s), status, len(details), *flat(details)]
    for run_id, epoch, counts in led:
        names.append(keys.run(run_id))
        arguments += [epoch, counts]
    return ScriptCall("announce", names, arguments)


def prolong(keys: Keys, run_id: str, cursor: bytes) -> ScriptCall:
    """Let an open run live on, from a cursor of its blobs. Reply: the next cursor, or "0"."""
    prefixes = (keys.blob(run_id, ""), keys.plan(""))
    arguments: list[Argument] = [cursor, milliseconds(OPEN_TTL_S), BLOBS_PER_PART, *prefixes]
    return ScriptCall("prolong", [*_run_keys(keys, run_id), keys.index], arguments)


def tidy(keys: Keys, run_id: str, cursor: bytes) -> ScriptCall:
    """Shorten the lives of an ended run's blobs from a cursor. Reply: the next cursor, or "0"."""
    names = [keys.run(run_id), keys.blobs(run_id), keys.untidied]
    return ScriptCall("tidy", names, [run_id, cursor, BLOBS_PER_PART, keys.blob(run_id, "")])


def read(keys: Keys, run_id: str, cursor: str, count: int, size: int) -> ScriptCall:
    """Read a journal after a cursor, about ``size`` bytes of it. Reply: as XRANGE."""
    return ScriptCall("read", [keys.journal(run_id)], [cursor, count, size])


class DispatchItem(NamedTuple):
    """One attempt to dispatch: the encoded message and, if signed, its signature."""

    task: int
    attempt: int
    data: bytes
    signature: bytes = b""


def dispatch(
    keys: Keys,
    run_id: str,
    epoch: int,
    stream: str,
    items: Iterable[DispatchItem],
    *,
    has_more: bool,
    rank: int,
) -> ScriptCall:
    """Dispatch attempts. Reply: see `read_dispatched`."""
    name, want, alone = _names(keys, stream)
    names = [keys.run(run_id), keys.attempts(run_id), stream, keys.queues, want, *alone]
    want_ms = milliseconds(WANT_S) if has_more else 0
    arguments: list[Argument] = [epoch, GROUP, queue_ttl_ms(), name, run_id, want_ms, rank]
    for item in items:
        arguments += item
    return ScriptCall("dispatch", names, arguments)


@lru_cache(maxsize=1024)
def _names(keys: Keys, stream: str) -> tuple[str, str, tuple[str, ...]]:
    """Return a stream's name, the key of who wants it, and that of exclusive work if it is such."""
    alone = (keys.alone,) if keys.is_exclusive(stream) else ()
    return keys.stream_name(stream), keys.want(stream), alone


def read_dispatched(run_id: str, epoch: int, reply: Sequence[Any]) -> Dispatched:
    """Return one state per item; raises `LeadershipLostError` and `RunNotFoundError`."""
    status, *rest = reply
    if status == b"OK":
        length, weight, *states = rest
        return Dispatched([state.decode() for state in states], length, weight)
    if status == b"GONE":
        raise RunNotFoundError(f"run {run_id!r} is gone")
    raise _leadership_lost(run_id, epoch)


def look(keys: Keys, stream: str, ranks: Iterable[tuple[str, int]]) -> ScriptCall:
    """Ask how full a stream is, for runs (id, rank) that want to dispatch more there.

    Reply: the number of its attempts, and the weight of all runs that do.
    """
    runs = [part for pair in ranks for part in pair]
    return ScriptCall("look", [stream, keys.want(stream)], [milliseconds(WANT_S), *runs])


def settle(
    keys: Keys, mode: str, who: str | int, run_id: str, stream: str, items: Iterable[Settlement]
) -> ScriptCall:
    """Record ends of attempts, in a mode of the script. Reply: `read_verdicts`."""
    # Only the keys that the mode needs: access rules keep workers away from the run's own record.
    others = {"w": [], "x": [keys.leases]}.get(mode, [keys.run(run_id)])
    name, _, alone = _names(keys, stream)
    names = [keys.attempts(run_id), keys.journal(run_id), stream, *others, *alone]
    arguments: list[Argument] = [mode, who, GROUP, name]
    for item in items:
        arguments += (item.task, item.attempt, item.entry_id, int(item.final), item.record)
    return ScriptCall("settle", names, arguments)


_VERDICTS = tuple(Verdict)


def read_verdicts(run_id: str, who: str | int, reply: Sequence[Any], count: int) -> list[Verdict]:
    """Return one verdict per item: all fenced if the worker to bury is alive.

    Raises `LeadershipLostError` for a revocation by an old epoch.
    """
    status, *verdicts = reply
    if status == b"STALE":
        raise _leadership_lost(run_id, who)
    if status == b"ALIVE":
        return [Verdict.FENCED] * count
    return [_VERDICTS[verdict] for verdict in verdicts]


def _leadership_lost(run_id: str, epoch: str | int) -> LeadershipLostError:
    return LeadershipLostError(f"run {run_id!r} is not led under epoch {epoch} any more")


def vanished(
    keys: Keys, run_id: str, stream: str, attempts: Iterable[tuple[int, str]]
) -> ScriptCall:
    """Find outstanding attempts without an entry: (task, fence). Reply: their tasks."""
    arguments: list[Argument] = [part for attempt in attempts for part in attempt]
    return ScriptCall("vanished", [keys.attempts(run_id), stream], arguments)


def append(keys: Keys, run_id: str, entry: bytes, epoch: int | None, *, begins: bool) -> ScriptCall:
    """Append a journal entry. Reply: 1 appended, 0 the run is over, -1 another leads."""
    names = [keys.run(run_id), keys.journal(run_id)]
    arguments: list[Argument] = [entry, "" if epoch is None else epoch]
    if begins:
        names += (keys.delayed, keys.runs, keys.wake)
        arguments += (run_id, milliseconds(OPEN_TTL_S))
    return ScriptCall("append", names, arguments)


def finish(
    keys: Keys,
    run_id: str,
    epoch: int,
    state: str,
    *,
    result_ttl_s: float,
    tails: bool,
    counts: bytes,
    details: Mapping[str, str],
) -> ScriptCall:
    """End a run. Reply: 1 ended, 2 ended and to be tidied, 0 attempts are outstanding, -1 another
    leads, -2 no run.
    """
    indexes = [keys.runs, keys.history, keys.untidied]
    names = [*_run_keys(keys, run_id), *indexes, keys.done, keys.index]
    arguments: list[Argument] = [
        epoch,
        state,
        milliseconds(result_ttl_s),
        int(tails),
        run_id,
        keys.run(""),
        keys.plan(""),
        counts,
        *flat(details),
    ]
    return ScriptCall("finish", names, arguments)


def orphans(keys: Keys, limit: int) -> ScriptCall:
    """Let due runs begin, and list runs without a leader. Reply: `listing.read_orphans`."""
    arguments: list[Argument] = [limit, DUE_RUNS_PER_CALL, milliseconds(OPEN_TTL_S)]
    return ScriptCall("orphans", [keys.runs, keys.delayed, keys.wake], arguments)


def put_blob(keys: Keys, run_id: str, digest: str, data: bytes) -> ScriptCall:
    """Store a value of a run. Reply: 1, or 0 if there is no such run."""
    names = [keys.attempts(run_id), keys.blob(run_id, digest), keys.blobs(run_id)]
    return ScriptCall("put_blob", names, [data, digest])


# --- queries ---------------------------------------------------------------------------------


def outline(keys: Keys, run_id: str, cursor: str, kept: Iterable[bytes]) -> ScriptCall:
    """Read the journal without values, but those of the tasks whose packed numbers are ``kept``.

    Reply: 1 if it may go on, entry ids and data by turns.
    """
    arguments: list[Argument] = [cursor, OUTLINE_ROWS, OUTLINE_BYTES, *kept]
    return ScriptCall("outline", [keys.journal(run_id)], arguments)


def queue_sizes(streams: Sequence[str]) -> ScriptCall:
    """Measure streams. Reply: for each what waits, what is held, and the oldest that waits."""
    return ScriptCall("queue_sizes", streams, [GROUP])


# --- the pool ---------------------------------------------------------------------------------


def group(keys: Keys, streams: Iterable[str]) -> ScriptCall:
    """Make sure that streams and their group exist. Reply: how many were lost, not dropped."""
    return ScriptCall("group", [keys.queues, *streams], [GROUP, queue_ttl_ms()])


def queue_lives(keys: Keys, streams: Iterable[str]) -> ScriptCall:
    """Let streams in use live on, and drop those that were idle for long."""
    lives_s = (IDLE_QUEUE_TTL_S, SPARE_QUEUE_TTL_S)
    lives_ms: list[Argument] = [queue_ttl_ms(), *map(milliseconds, lives_s)]
    return ScriptCall("queue_lives", [keys.queues, keys.alone, *streams], lives_ms)


def heal(keys: Keys, jumped_s: float) -> ScriptCall:
    """Correct leases after the server's clock was set. Reply: how many."""
    prefixes = (keys.worker(""), keys.run(""))
    arguments: list[Argument] = [*prefixes, LATEST_LEASES_LOOKED_AT, round(jumped_s * 1000)]
    return ScriptCall("heal", [keys.leases, keys.runs], arguments)
