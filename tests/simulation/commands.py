"""The commands of the server, as far as the stores use them, over the store's model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astrum.protocol.messages import Record, decode_entry, encode_entry, encode_event, encode_record
from astrum.protocol.run_header import NewRun
from astrum.redis import Settlement
from astrum.redis.script_library import ScriptLibrary
from astrum.values.references import Blob
from tests.contract.model import GoneError, Model, Run, StaleError, Stream, entry_of
from tests.simulation.resp import NilArray, Refused

if TYPE_CHECKING:
    from tests.simulation.server import Connection, Network

BUSY = object()
"""The reply comes later: the command waits."""

DONE = b"{astrum}:done"
WAKE = "{astrum}:wake"
_RUN_KEY = re.compile(r"\{astrum\}:run:([^:]+)(?::(?:d|j|b))?")
_BLOB_KEY = re.compile(r"\{astrum\}:b:([^:]+):(.*)")


@dataclass
class Blocked:
    """A read that waits; ``attempt`` gives its reply, or ``None`` while there is none."""

    connection: Connection
    attempt: Callable[[], Any]


def run_of(key: bytes | str) -> str:
    """Return the run id in a key."""
    found = _RUN_KEY.fullmatch(key if isinstance(key, str) else key.decode())
    assert found is not None, key
    return found[1]


def _outline(entry: bytes) -> bytes:
    """Return a journal entry without the values of results."""
    return encode_entry(
        encode_record(item._replace(value=None)) if isinstance(item, Record) else encode_event(item)
        for item in decode_entry(entry)
    )


class Commands:
    """Runs commands; those that wait are tried again after every other one."""

    def __init__(self, model: Model, network: Network) -> None:
        self.model = model
        self.network = network
        self._names = {s.sha: name for name, s in ScriptLibrary().scripts.items()}
        self._taught: set[str] = set()
        self._waiting: list[Blocked] = []

    def forget_scripts(self) -> None:
        """Forget what a restart forgets."""
        self._taught.clear()
        self._waiting.clear()

    def run(self, connection: Connection, command: list[bytes]) -> Any:
        """Carry out one command and return its reply, or `BUSY`."""
        name = command[0].decode().lower()
        try:
            reply = getattr(self, f"do_{name}")(connection, *command[1:])
        except Refused as error:
            return error
        except Exception as error:  # else the next reply would answer this command
            raise SystemExit(f"the simulated server cannot do {command!r}: {error!r}") from error
        if name not in ("xread", "xreadgroup"):
            self._serve_waiting()
        return reply

    # --- waiting ----------------------------------------------------------------------------

    def stop_waiting(self, connection: Connection) -> None:
        """Forget the read of a connection that is over."""
        self._waiting = [b for b in self._waiting if b.connection is not connection]

    def _wait(self, connection: Connection, block: float | None, attempt: Callable[[], Any]) -> Any:
        reply = attempt()
        if reply is not None or block is None:
            return reply if reply is not None else NilArray()
        blocked = Blocked(connection, attempt)
        self._waiting.append(blocked)
        loop = self.network.loop
        loop.call_later(block, self._end_wait, blocked)
        return BUSY

    def _end_wait(self, blocked: Blocked) -> None:
        if any(b is blocked for b in self._waiting):
            self._waiting = [b for b in self._waiting if b is not blocked]
            blocked.connection.answer(NilArray())

    def _serve_waiting(self) -> None:
        for blocked in list(self._waiting):
            reply = blocked.attempt()
            if reply is not None:
                self._waiting.remove(blocked)
                blocked.connection.answer(reply)

    # --- the server -------------------------------------------------------------------------

    def do_info(self, _: Connection, *sections: bytes) -> str:
        if sections == (b"cluster",):
            return "cluster_enabled:0\r\n"
        identity = self.network.identity
        return (
            f"redis_version:7.2.0\r\nmaxmemory_policy:noeviction\r\n"
            f"run_id:{identity}\r\nmaster_replid:{identity}\r\n"
        )

    def do_client(self, connection: Connection, what: bytes, *rest: bytes) -> int:
        if what == b"ID":
            return connection.client_id
        for blocked in list(self._waiting):
            if blocked.connection.client_id == int(rest[0]):
                self._end_wait(blocked)
                return 1
        return 0

    def do_time(self, _: Connection) -> list[int]:
        now = self.model.now_ms()
        return [now // 1000, now % 1000 * 1000]

    def do_publish(self, _: Connection, channel: bytes, message: bytes) -> int:
        listeners = [c for c in self.network.connections if c.is_subscribed]
        for listener in listeners:
            listener.answer([b"message", channel, message])
        return len(listeners)

    def do_subscribe(self, connection: Connection, channel: bytes) -> list[Any]:
        connection.is_subscribed = True
        return [b"subscribe", channel, 1]

    # --- keys -------------------------------------------------------------------------------

    def _run(self, key: bytes) -> Run | None:
        return self.model.state.runs.get(run_of(key))

    def do_getrange(self, connection: Connection, key: bytes, *bounds: bytes) -> bytes:
        return self.do_get(connection, key) or b""

    def do_get(self, _: Connection, key: bytes) -> bytes | None:
        blob = _BLOB_KEY.fullmatch(key.decode())
        if blob:
            run = self.model.state.runs.get(blob[1])
            return run.blobs.get(blob[2]) if run else None
        return self.model.state.plans.get(key.decode().removeprefix("{astrum}:plan:"))

    def _hash(self, key: bytes) -> dict[str, Any]:
        text = key.decode()
        if text == "{astrum}:paused":
            return dict(self.model.state.paused)
        if text.startswith("{astrum}:w:"):
            known = self.model.state.workers.get(text.removeprefix("{astrum}:w:"))
            if known is None:
                return {}
            told = {"served": known.served, "status": known.status, "ended": known.ended}
            return told | {f"f:{name}": value for name, value in known.details.items()}
        if text.startswith("{astrum}:c:"):
            announced = self.model.state.coordinators.get(text.removeprefix("{astrum}:c:"))
            if announced is None:
                return {}
            said = {f"f:{name}": value for name, value in announced.details.items()}
            return said | {"at": str(announced.at), "status": announced.status}
        run = self._run(key)
        if run is None:
            return {}
        return _attempts(run) if text.endswith(":d") else _head(run)

    def do_hgetall(self, _: Connection, key: bytes) -> list[Any]:
        return [part for pair in self._hash(key).items() for part in pair]

    def do_hscan(self, connection: Connection, key: bytes, *rest: bytes) -> list[Any]:
        return ["0", self.do_hgetall(connection, key)]

    def do_pexpire(self, _: Connection, key: bytes, life: bytes) -> int:
        return 1  # no test lasts that long

    def do_hdel(self, _: Connection, key: bytes, field: bytes) -> int:
        return int(self.model.state.paused.pop(field.decode(), None) is not None)

    def do_hget(self, _: Connection, key: bytes, field: bytes) -> Any:
        return self._hash(key).get(field.decode())

    def do_hmget(self, _: Connection, key: bytes, *fields: bytes) -> list[Any]:
        known = self._hash(key)
        return [known.get(field.decode()) for field in fields]

    def do_smismember(self, _: Connection, key: bytes, *members: bytes) -> list[int]:
        state = self.model.state
        known = state.alone if key.endswith(b":alone") else state.queues
        return [int(member.decode() in known) for member in members]

    def do_smembers(self, _: Connection, key: bytes) -> list[str]:
        return sorted(self.model.state.queues)

    def do_zrange(self, _: Connection, key: bytes, *rest: bytes) -> list[Any]:
        if key.endswith(b":untidied"):
            return []
        if key.endswith(b":cz"):
            return sorted(self.model.state.coordinators)
        leases = sorted(self.model.state.leases.items(), key=lambda item: (item[1], item[0]))
        return [part for pair in leases for part in map(str, pair)]

    def do_zscore(self, _: Connection, key: bytes, run_id: bytes) -> str | None:
        run = self.model.state.runs.get(run_id.decode())
        is_there = run is not None and run.state == "open" and not run.waits
        return str(run.lease_end) if run is not None and is_there else None

    def do_zrevrange(self, _: Connection, key: bytes, first: bytes, last: bytes) -> list[str]:
        return self.model.latest_runs()[int(first) : int(last) + 1]

    def do_zrem(self, _: Connection, key: bytes, owner: bytes) -> int:
        return int(self.model.state.coordinators.pop(owner.decode(), None) is not None)

    def do_del(self, _: Connection, key: bytes) -> int:
        return 0  # `do_zrem` has removed the whole coordinator

    # --- streams ----------------------------------------------------------------------------

    def do_xread(self, connection: Connection, *words: bytes) -> Any:
        count, block, rest = _options(words)
        half = len(rest) // 2
        pairs = list(zip(rest[:half], rest[half:], strict=True))
        return self._wait(connection, block, lambda: self._read(pairs, count))

    def _read(self, pairs: Iterable[tuple[bytes, bytes]], count: int) -> Any:
        found = []
        for key, cursor in pairs:
            after = _position(cursor.decode())
            stream = self._readable(key)
            entries = [
                [entry_id, [b"d", data]]
                for entry_id, data in stream.items()
                if _position(entry_id) > after
            ]
            if entries:
                found.append([key, entries[:count]])
        return found or None

    def _readable(self, key: bytes) -> dict[str, bytes]:
        if key == DONE:
            return self.model.state.done
        run = self._run(key)
        return {} if run is None else run.journal

    def do_xrevrange(self, _: Connection, key: bytes, *rest: bytes) -> list[Any]:
        return [[entry_id, [b"d", data]] for entry_id, data in self._readable(key).items()][-1:]

    def do_xreadgroup(self, connection: Connection, *words: bytes) -> Any:
        worker_id = words[2].decode()
        count, block, rest = _options(words[3:])
        names = [name.decode() for name in rest[: len(rest) // 2]]
        self._require_groups(names)
        return self._wait(connection, block, lambda: self._read_group(names, worker_id, count))

    def _read_group(self, names: list[str], worker_id: str, count: int) -> Any:
        found = []
        for name in names:
            stream = self._read_stream(name)
            given = stream.deliver(worker_id, count) if stream else []
            if stream and given:
                found.append([name, [_entry(stream, entry_id) for entry_id in given]])
        return found or None

    def _read_stream(self, name: str) -> Stream | None:
        state = self.model.state
        return state.wake if name == WAKE else state.streams.get(name)

    def do_xgroup(self, _: Connection, what: bytes, key: bytes, *rest: bytes) -> str:
        assert (what, key.decode()) == (b"CREATE", WAKE)
        self.model.state.wake = self.model.state.wake or Stream()
        return "OK"

    def _require_groups(self, names: Iterable[str]) -> None:
        if any(self._read_stream(name) is None for name in names):
            raise Refused("NOGROUP No such key or consumer group")

    def _stream(self, key: bytes) -> Stream:
        self._require_groups([key.decode()])
        return self.model.state.streams[key.decode()]

    def do_xinfo(self, _: Connection, what: bytes, key: bytes, group: bytes) -> list[Any]:
        pending = self._stream(key).pending
        return [["name", name, "pending", len(held)] for name, held in pending.items()]

    def do_xpending(self, _: Connection, key: bytes, group: bytes, *rest: bytes) -> list[Any]:
        stream = self._stream(key)
        if not rest:
            return [sum(map(len, stream.pending.values())), None, None, None]
        if len(rest) == 3:  # who holds one entry
            one = rest[0].decode()
            return [[one, who, 0, 1] for who, held in stream.pending.items() if one in held]
        start, count, consumer = rest[0].decode(), int(rest[2]), rest[3].decode()
        held = sorted(stream.pending.get(consumer, ()), key=_position)
        if start != "-":
            held = [one for one in held if _position(one) > _position(start[1:])]
        return [[one, consumer, 0, 1] for one in held[:count]]

    def do_xrange(self, _: Connection, key: bytes, first: bytes, last: bytes) -> list[Any]:
        stream = self.model.state.streams.get(key.decode())
        entry_id = first.decode()
        return [_entry(stream, entry_id)] if stream and entry_id in stream.entries else []

    def do_xlen(self, _: Connection, key: bytes) -> int:
        stream = self.model.state.streams.get(key.decode())
        return len(stream.entries) if stream else 0

    def do_xack(self, _: Connection, key: bytes, group: bytes, entry_id: bytes) -> int:
        return int(self._stream(key).acknowledge(entry_id.decode()))

    def do_xdel(self, _: Connection, key: bytes, entry_id: bytes) -> int:
        self._stream(key).delete(entry_id.decode())
        return 1

    # --- scripts ----------------------------------------------------------------------------

    def do_script(self, _: Connection, what: bytes, source: bytes) -> str:
        sha = hashlib.sha1(source, usedforsecurity=False).hexdigest()
        self._taught.add(sha)
        return sha

    def do_evalsha(self, _: Connection, sha: bytes, count: bytes, *rest: bytes) -> Any:
        if sha.decode() not in self._taught:
            raise Refused("NOSCRIPT No matching script.")
        keys, arguments = rest[: int(count)], list(rest[int(count) :])
        script = getattr(self, f"script_{self._names[sha.decode()]}")
        return script([key.decode() for key in keys], arguments)

    def script_create(self, keys: list[str], args: list[bytes]) -> int:
        run_id, digest, _, _, identity, header, start_ms, wakes, plan, count, *rest = args
        rest = rest[4:]  # a published flow and seeds: there are none here
        split = 2 * int(count)
        run = NewRun(
            run_id.decode(),
            digest.decode(),
            header,
            identity.decode(),
            _details(rest[split:]),
            tuple(Blob(rest[i].decode(), rest[i + 1]) for i in range(0, split, 2)),
            int(start_ms) / 1000,
            wakes == b"1",
        )
        return self.model.create_run(run, plan)

    def script_adopt(self, keys: list[str], args: list[bytes]) -> list[Any]:
        owner, lease_ms = args[0].decode(), int(args[1])
        rows = [self._adopted(run_id.decode(), owner, lease_ms) for run_id in args[4:]]
        return [self.model.now_ms(), rows]

    def _adopted(self, run_id: str, owner: str, lease_ms: int) -> Any:
        epoch = self.model.acquire(run_id, owner, lease_ms)
        if not epoch:
            return 0
        run = self.model.state.runs[run_id]
        head = [part for pair in _head(run).items() for part in pair]
        return [
            epoch,
            head,
            [str(run.outstanding), str(run.late_ends)],
            len(run.journal) + len(run.attempts),
        ]

    def script_release(self, keys: list[str], args: list[bytes]) -> int:
        owner, epoch, run_id = args[0].decode(), int(args[1]), args[2].decode()
        return int(self.model.release(run_id, owner, epoch))

    def script_renew(self, keys: list[str], args: list[bytes]) -> list[int]:
        owner, lease_ms, rows = args[0].decode(), int(args[1]), args[3:]
        return [
            int(self.model.renew(run_id.decode(), owner, int(epoch), lease_ms))
            for run_id, epoch in zip(rows[::2], rows[1::2], strict=True)
        ]

    def script_announce(self, keys: list[str], args: list[bytes]) -> int:
        runs_from = 4 + 2 * int(args[3])
        epochs = zip(args[runs_from::2], args[runs_from + 1 :: 2], strict=True)
        rows = [
            (run_of(key), int(epoch), counts.decode())
            for key, (epoch, counts) in zip(keys[2:], epochs, strict=True)
        ]
        self.model.announce(args[0].decode(), _details(args[4:runs_from]), args[2], rows)
        return 1

    def script_prolong(self, keys: list[str], args: list[bytes]) -> str:
        return "0"  # here nothing lives long enough to expire

    def script_pause(self, keys: list[str], args: list[bytes]) -> int:
        fields = zip(args[1::2], args[2::2], strict=True)
        self.model.state.paused.update((field.decode(), data) for field, data in fields)
        return 1

    def script_tidy(self, keys: list[str], args: list[bytes]) -> str:
        return "0"

    def script_queue_lives(self, keys: list[str], args: list[bytes]) -> int:
        return 1

    def script_heal(self, keys: list[str], args: list[bytes]) -> int:
        return 0  # the simulated clock never goes back

    def script_read(self, keys: list[str], args: list[bytes]) -> list[Any]:
        found = self._read([(keys[0].encode(), args[0])], int(args[1]))
        return found[0][1] if found else []

    def script_outline(self, keys: list[str], args: list[bytes]) -> list[Any]:
        found = self._read([(keys[0].encode(), args[0])], int(args[2]))
        rows = found[0][1] if found else []
        parts = [part for entry_id, (_, data) in rows for part in (entry_id, _outline(data))]
        return [int(bool(rows)), *parts]

    def script_queue_sizes(self, keys: list[str], args: list[bytes]) -> list[Any]:
        found: list[Any] = []
        for name in keys:
            stream = self.model.state.streams.get(name) or Stream()
            waiting = stream.undelivered
            held = sum(map(len, stream.pending.values()))
            found += [len(waiting), held, waiting[0] if waiting else ""]
        return found

    def script_vanished(self, keys: list[str], args: list[bytes]) -> list[int]:
        run, stream = self.model.state.runs.get(run_of(keys[0])), self.model.state.streams[keys[1]]
        asked = {int(t): mark.decode() for t, mark in zip(args[::2], args[1::2], strict=True)}
        return [
            task
            for task, mark in asked.items()
            if run is not None
            and run.attempts.get(task) == mark
            and entry_of(mark) not in stream.entries
        ]

    def script_orphans(self, keys: list[str], args: list[bytes]) -> list[Any]:
        ids = self.model.orphans()
        scores = [str(self.model.state.runs[run_id].lease_end) for run_id in ids]
        return [-1, *(part for pair in zip(ids, scores, strict=True) for part in pair)]

    def script_append(self, keys: list[str], args: list[bytes]) -> int:
        epoch = int(args[1]) if args[1] else None
        try:
            return int(self.model.fact(run_of(keys[0]), args[0], epoch, begins=len(keys) > 2))
        except StaleError:
            return -1

    def script_finish(self, keys: list[str], args: list[bytes]) -> int:
        epoch, state, tails, run_id = int(args[0]), args[1].decode(), args[3] == b"1", args[4]
        counts, details = args[7].decode(), _details(args[8:])
        told = (run_id.decode(), epoch, state)
        try:
            return int(self.model.finish(*told, tails=tails, counts=counts, details=details))
        except StaleError:
            return -1
        except GoneError:
            return -2

    def script_reopen(self, keys: list[str], args: list[bytes]) -> int:
        run_id, entry, state, final = args[0].decode(), args[1], args[2].decode(), args[5:]
        try:
            return int(self.model.reopen(run_id, entry, state, [int(task) for task in final]))
        except GoneError:
            return -1

    def script_look(self, keys: list[str], args: list[bytes]) -> list[Any]:
        want_ms, *runs = args
        ranks = [(one.decode(), int(rank)) for one, rank in zip(runs[::2], runs[1::2], strict=True)]
        return [*self.model.look(keys[0], ranks, int(want_ms))]

    def script_dispatch(self, keys: list[str], args: list[bytes]) -> list[Any]:
        items = [
            (int(args[i]), int(args[i + 1]), args[i + 2], args[i + 3])
            for i in range(7, len(args), 4)
        ]
        told = (run_of(keys[0]), int(args[0]), keys[2], items, int(args[5]), int(args[6]))
        try:
            states, *counts = self.model.dispatch(*told)
        except StaleError:
            return ["STALE", "another"]
        except GoneError:
            return ["GONE"]
        return ["OK", *counts, *states]

    def script_settle(self, keys: list[str], args: list[bytes]) -> list[Any]:
        ends = [
            Settlement(
                int(args[i]),
                int(args[i + 1]),
                args[i + 2].decode(),
                args[i + 3] == b"1",
                args[i + 4],
            )
            for i in range(4, len(args), 5)
        ]
        mode, who = args[0].decode(), args[1].decode()
        try:
            verdicts = self.model.settle(mode, who, run_of(keys[0]), keys[2], ends)
        except StaleError:
            return ["STALE"]
        return ["ALIVE"] if verdicts is None else ["OK", *map(int, verdicts)]

    def script_put_blob(self, keys: list[str], args: list[bytes]) -> int:
        run = self.model.state.runs.get(run_of(keys[0]))
        if run is not None:
            run.blobs[args[1].decode()] = args[0]
        return int(run is not None)

    def script_register(self, keys: list[str], args: list[bytes]) -> int:
        self.model.register(args[0].decode(), _details(args[5:]), args[4], int(args[1]))
        return self.model.now_ms()

    def script_status(self, keys: list[str], args: list[bytes]) -> int:
        return int(self.model.set_status(keys[0].removeprefix("{astrum}:w:"), args[0]))

    def script_beat(self, keys: list[str], args: list[bytes]) -> int:
        was_live = self.model.beat(args[0].decode(), int(args[1]), args[4])
        return self.model.now_ms() if was_live else -self.model.now_ms()

    def script_drop(self, keys: list[str], args: list[bytes]) -> int:
        is_gone = self.model.drop(args[0].decode(), keys[2:], leaves=args[2] == b"1")
        return 0 if is_gone else 1

    def script_group(self, keys: list[str], args: list[bytes]) -> int:
        return self.model.make_groups(keys[1:])

    def script_exclusive(self, keys: list[str], args: list[bytes]) -> int:
        return 1  # in the simulated pool every worker may

    def script_claim(self, keys: list[str], args: list[bytes]) -> list[Any]:
        self._require_groups(keys)
        claims = self.model.claim(keys, args[1].decode(), int(args[2]))
        streams = self.model.state.streams
        return [[name, [_entry(streams[name], entry_id)]] for name, entry_id in claims]

    def script_set_aside(self, keys: list[str], args: list[bytes]) -> int:
        aside = self.model.set_aside(keys[0], args[1].decode(), args[2], args[4].decode())
        return int(aside)


def _attempts(run: Run) -> dict[str, Any]:
    return {str(task): state for task, state in run.attempts.items()} | {
        "#": run.outstanding,
        "~": run.late_ends,
    }


def _head(run: Run) -> dict[str, Any]:
    known = {
        "st": run.state,
        "ep": run.epoch,
        "ow": run.owner,
        "at": run.created_at,
        "pd": run.plan_digest,
    }
    delayed = {} if run.start_at is None else {"sa": run.start_at}
    ended = {} if run.ended_at is None else {"end": run.ended_at}
    released = {} if run.released is None else dict(zip(("ra", "rb"), run.released, strict=True))
    texts: dict[str, Any] = {
        name: str(value) for name, value in (known | delayed | ended | released).items()
    }
    texts |= {"hd": run.header}
    texts |= {"n": run.counts} if run.counts else {}
    return texts | {f"f:{name}": value for name, value in run.details.items()}


def _entry(stream: Stream, entry_id: str) -> list[Any]:
    data, signature = stream.entries[entry_id]
    return [entry_id, [b"d", data, b"s", signature] if signature else [b"d", data]]


def _details(flat: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _position(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


def _options(words: tuple[bytes, ...]) -> tuple[int, float | None, tuple[bytes, ...]]:
    """Return COUNT, BLOCK in seconds and what follows STREAMS."""
    start = words.index(b"STREAMS")
    options = [word for word in words[:start] if word != b"NOACK"]
    named = dict(zip(options[::2], options[1::2], strict=True))
    block = float(named[b"BLOCK"]) / 1000 if b"BLOCK" in named else None
    return int(named[b"COUNT"]), block, words[start + 1 :]
