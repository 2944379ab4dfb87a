"""The store as it is promised, in plain Python: no server, no clock of its own, no lost bytes.

What the scripts do together is here one object. The contract tests hold the real stores against
it, and the simulation puts it behind a simulated network in the place of the server.
Lives that end by themselves (TTLs) are left out: no test lasts that long.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from astrum.protocol.run_header import NewRun, SeedPart
from astrum.redis import Settlement, Verdict

OPEN = "open"

Item = tuple[int, int, bytes, bytes]
"""Task, attempt, message, signature."""


def outstanding(attempt: int, entry_id: str, stream: str) -> str:
    """Return the fence of an outstanding attempt."""
    return f"{attempt}:{entry_id}/{stream.partition(':q:')[2]}"


def entry_of(fence: str) -> str:
    """Return the entry id in the fence of an outstanding attempt, "" if there is none."""
    return fence.partition(":")[2].partition("/")[0]


class StaleError(Exception):
    """Another epoch leads (or none does)."""


class GoneError(Exception):
    """There is no such run, stream or group."""


@dataclass
class Run:
    """One run: who leads it, how its attempts stand, what its journal says."""

    identity: str
    details: dict[str, str]
    created_at: int
    plan_digest: str = ""
    header: bytes = b""
    state: str = OPEN
    epoch: int = 0
    owner: str = ""
    lease_end: int = 0
    start_at: int | None = None
    waits: bool = False
    ended_at: int | None = None
    counts: str = ""
    released: tuple[int, str] | None = None
    attempts: dict[int, str] = field(default_factory=dict)
    journal: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    late_ends: int = 0

    @property
    def outstanding(self) -> int:
        """How many attempts are dispatched and not settled."""
        return sum(":" in state for state in self.attempts.values())

    def outstanding_in(self, stream: str) -> int:
        """How many of them are in a stream."""
        name = stream.partition(":q:")[2]
        return sum(state.partition("/")[2] == name for state in self.attempts.values())


@dataclass
class Stream:
    """A stream and its one group: what is in it, what was delivered, who holds what."""

    entries: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    undelivered: list[str] = field(default_factory=list)
    pending: dict[str, list[str]] = field(default_factory=dict)

    def deliver(self, consumer: str, count: int) -> list[str]:
        """Hand out up to ``count`` entries that no worker had."""
        held = self.pending.setdefault(consumer, [])
        given, self.undelivered = self.undelivered[:count], self.undelivered[count:]
        held += given
        return given

    def acknowledge(self, entry_id: str) -> bool:
        """Remove an entry from the worker that holds it; false if none does."""
        for held in self.pending.values():
            if entry_id in held:
                held.remove(entry_id)
                return True
        return False

    def delete(self, entry_id: str) -> None:
        """Remove an entry from the stream."""
        self.entries.pop(entry_id, None)
        if entry_id in self.undelivered:
            self.undelivered.remove(entry_id)


@dataclass
class Registered:
    """The last status of a worker, and how its process ended, if that was reported."""

    details: dict[str, str] = field(default_factory=dict)
    served: bytes = b""
    status: bytes = b""
    ended: bytes = b""


@dataclass
class Announced:
    """What a coordinator published of itself, and when."""

    details: dict[str, str]
    status: bytes
    at: int


@dataclass
class State:
    """Everything that a server holds."""

    runs: dict[str, Run] = field(default_factory=dict)
    plans: dict[str, bytes] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    queues: set[str] = field(default_factory=set)
    leases: dict[str, int] = field(default_factory=dict)
    workers: dict[str, Registered] = field(default_factory=dict)
    coordinators: dict[str, Announced] = field(default_factory=dict)
    dead_letters: list[tuple[bytes, str]] = field(default_factory=list)
    wants: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    paused: dict[str, bytes] = field(default_factory=dict)
    wake: Stream | None = None
    done: dict[str, bytes] = field(default_factory=dict)


class Model:
    """The server's side of both stores. ``now_ms`` is its clock, ``last_id`` never goes back."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.state = State()
        self._last_id = (0, 0)

    def snapshot(self) -> State:
        """Return a copy of everything, for `roll_back`."""
        return copy.deepcopy(self.state)

    def roll_back(self, snapshot: State) -> None:
        """Forget every write since a snapshot."""
        self.state = copy.deepcopy(snapshot)

    def _next_id(self) -> str:
        now = self.now_ms()
        ms, sequence = self._last_id
        self._last_id = (now, 0) if now > ms else (ms, sequence + 1)
        return "{}-{}".format(*self._last_id)

    # --- runs -------------------------------------------------------------------------------

    def create_run(self, run: NewRun, plan: bytes) -> int:
        """1 created, 0 exists with the same identity, -1 with another, -2 the plan is unknown."""
        run_id, digest, header, identity, details, values, start_at, wakes, *_ = run
        known = self.state.runs.get(run_id)
        if known is not None:
            return 0 if known.identity == identity else -1
        if not plan and digest not in self.state.plans:
            return -2
        self.state.plans.setdefault(digest, plan)
        new = Run(identity, dict(details), self.now_ms(), digest, header)
        start_ms = round(start_at * 1000)
        if start_ms > self.now_ms():
            new.start_at, new.waits = start_ms, True
        new.blobs.update(values)
        self.state.runs[run_id] = new
        if wakes and not new.waits:
            self._wake(run_id)
        return 1

    def create_seeded_run(
        self, run: NewRun, plan: bytes, old_run_id: str, parts: Iterable[SeedPart]
    ) -> int:
        """As `create_run`, with seeds and values of another run; `GoneError`: a value is gone."""
        old = self.state.runs.get(old_run_id)
        known = {} if old is None else old.blobs
        taken = [digest for part in parts for digest in part.digests]
        is_new = run.run_id not in self.state.runs
        if is_new and not known.keys() >= set(taken):
            raise GoneError
        told = self.create_run(run, plan)
        if told == 1:
            new = self.state.runs[run.run_id]
            for part in parts:
                new.journal[self._next_id()] = part.entry
                new.attempts.update(dict.fromkeys(part.tasks, "0!seed"))
            new.blobs.update({digest: known[digest] for digest in taken})
        return told

    def _wake(self, run_id: str) -> None:
        if self.state.wake is not None:
            entry_id = self._next_id()
            self.state.wake.entries[entry_id] = (run_id.encode(), b"")
            self.state.wake.undelivered.append(entry_id)

    def begin(self, run_id: str) -> bool:
        """Let a run that waits begin; false if it does not wait."""
        run = self.state.runs[run_id]
        if not run.waits:
            return False
        run.waits = False
        self._wake(run_id)
        return True

    def acquire(self, run_id: str, owner: str, lease_ms: int) -> int:
        """The new epoch, or 0."""
        run, now = self.state.runs.get(run_id), self.now_ms()
        if run is None or run.state != OPEN or (run.owner != owner and run.lease_end > now):
            return 0
        if run.waits and (run.start_at or 0) > now:
            return 0
        run.waits = False
        run.epoch, run.owner = max(run.epoch + 1, now), owner
        run.lease_end = now + lease_ms
        return run.epoch

    def renew(self, run_id: str, owner: str, epoch: int, lease_ms: int) -> bool:
        """Prolong the lease of who leads."""
        run = self.state.runs.get(run_id)
        if run is None or run.state != OPEN or (run.epoch, run.owner) != (epoch, owner):
            return False
        run.lease_end = self.now_ms() + lease_ms
        return True

    def release(self, run_id: str, owner: str, epoch: int) -> bool:
        """End the leadership of who leads."""
        run = self.state.runs.get(run_id)
        if run is None or run.state != OPEN or (run.epoch, run.owner) != (epoch, owner):
            return False
        run.epoch, run.owner, run.lease_end = run.epoch + 1, "", 0
        run.released = (self.now_ms(), owner)
        return True

    def announce(
        self,
        owner: str,
        details: Mapping[str, str],
        status: bytes,
        led: Iterable[tuple[str, int, str]],
    ) -> None:
        """Keep what a coordinator says, and the counts of the runs that it leads."""
        self.state.coordinators[owner] = Announced(dict(details), status, self.now_ms())
        for run_id, epoch, counts in led:
            run = self.state.runs.get(run_id)
            if run is not None and run.state == OPEN and (run.epoch, run.owner) == (epoch, owner):
                run.counts = counts

    def latest_runs(self) -> list[str]:
        """All runs, the newest first."""
        runs = self.state.runs.items()
        return [
            name for _, name in sorted(((r.created_at, name) for name, r in runs), reverse=True)
        ]

    def orphans(self) -> list[str]:
        """Open runs without a live lease, the longest abandoned first; those that are due begin."""
        now = self.now_ms()
        for name, run in self.state.runs.items():
            if run.waits and (run.start_at or 0) <= now:
                self.begin(name)
        runs = [(name, r) for name, r in self.state.runs.items() if r.state == OPEN]
        found = [(r.lease_end, name) for name, r in runs if r.lease_end <= now and not r.waits]
        return [name for _, name in sorted(found)]

    def fact(self, run_id: str, entry: bytes, epoch: int | None, *, begins: bool = False) -> bool:
        """Append to the journal of an open run; raises `StaleError`.

        ``begins``: a run that waits begins by it.
        """
        run = self.state.runs.get(run_id)
        if run is None or run.state != OPEN:
            return False
        if epoch is not None and run.epoch != epoch:
            raise StaleError
        run.journal[self._next_id()] = entry
        if begins and self.begin(run_id):
            run.start_at = None
        return True

    def finish(
        self,
        run_id: str,
        epoch: int,
        state: str,
        *,
        tails: bool,
        counts: str,
        details: Mapping[str, str],
    ) -> bool:
        """End a run; raises `StaleError`, `GoneError`."""
        run = self.state.runs.get(run_id)
        if run is None:
            raise GoneError
        if run.epoch != epoch or run.state not in (OPEN, state):
            raise StaleError
        if run.state == state:
            return True
        if run.outstanding and not tails:
            return False
        run.state, run.ended_at, run.lease_end = state, self.now_ms(), 0
        run.counts = counts
        run.details.update(details)
        self.state.done[self._next_id()] = run_id.encode()
        return True

    def reopen(self, run_id: str, entry: bytes, state: str, final_tasks: Iterable[int]) -> bool:
        """Open a run that ended in ``state``, without a leader; raises `GoneError`."""
        run = self.state.runs.get(run_id)
        if run is None:
            raise GoneError
        if run.state != state:
            return False
        run.state, run.owner, run.lease_end, run.ended_at = OPEN, "", 0, None
        run.epoch = max(run.epoch + 1, self.now_ms())
        for name in ("reason", "failure", "longest"):
            run.details.pop(name, None)
        for task in final_tasks:
            run.attempts[task] = run.attempts.get(task, "").replace("!", "=")
            if not run.attempts[task]:
                del run.attempts[task]
        run.journal[self._next_id()] = entry
        self._wake(run_id)
        return True

    # --- attempts ---------------------------------------------------------------------------

    def dispatch(
        self,
        run_id: str,
        epoch: int,
        stream: str,
        items: Iterable[Item],
        want_ms: int = 0,
        rank: int = 0,
    ) -> tuple[list[str], int, int]:
        """For each attempt its entry id, or the fence instead; the length; the weight of who wants.

        Raises as the store.
        """
        run = self.state.runs.get(run_id)
        if run is None:
            raise GoneError
        if run.epoch != epoch or run.state != OPEN:
            raise StaleError
        states = []
        for task, attempt, data, signature in items:
            state = run.attempts.get(task, "")
            last = int(re.match(r"\d*", state)[0] or 0)  # type: ignore[index]
            if attempt > last and not re.search("[:!]", state):
                entry_id = self._add(stream, data, signature)
                run.attempts[task] = outstanding(attempt, entry_id, stream)
                states.append(entry_id)
            else:
                entry_id = entry_of(state)
                is_this = state == outstanding(attempt, entry_id, stream)
                states.append(entry_id if is_this else state)
        found = self.state.streams.get(stream, Stream())
        return states, len(found.entries), self._claimants(run_id, stream, want_ms, rank)

    def look(self, stream: str, ranks: Iterable[tuple[str, int]], want_ms: int) -> tuple[int, int]:
        """The length of a stream, and the weight of the runs that want to dispatch more there."""
        weight = 0
        for run_id, rank in ranks:
            weight = self._claimants(run_id, stream, want_ms, rank)
        found = self.state.streams.get(stream)
        return (len(found.entries) if found else 0), weight

    def _claimants(self, run_id: str, stream: str, want_ms: int, rank: int) -> int:
        wants, now = self.state.wants.setdefault(stream, {}), self.now_ms()
        wants.pop(run_id, None)
        if want_ms:
            wants[run_id] = now + want_ms, rank
        return sum(512 // 2**rank for until, rank in wants.values() if until >= now)

    def _add(self, stream: str, data: bytes, signature: bytes) -> str:
        entry_id = self._next_id()
        self.state.queues.add(stream)
        if ":x:" in stream:
            self.state.alone.add(stream)
        found = self.state.streams.setdefault(stream, Stream())
        found.entries[entry_id] = (data, signature)
        found.undelivered.append(entry_id)
        return entry_id

    def settle(
        self, mode: str, who: str, run_id: str, stream: str, settlements: Sequence[Settlement]
    ) -> list[Verdict] | None:
        """The verdicts; ``None``: the worker to bury is alive. Raises `StaleError`."""
        run = self.state.runs.get(run_id)
        if mode == "x" and self.state.leases.get(who, 0) > self.now_ms():
            return None
        if mode in "cu" and (run is None or str(run.epoch) != who):
            raise StaleError
        records: list[bytes] = []
        verdicts = []
        for end in settlements:
            if mode == "u" and self.is_claimed(stream, end.entry_id):
                verdicts.append(Verdict.FENCED)
                continue
            verdict = self._settle(run, who, stream, end, records)
            verdicts.append(verdict)
            if mode == "w" and run is not None and verdict is Verdict.FENCED:
                run.late_ends += 1
            self.remove(stream, end.entry_id)
        if records and run is not None:
            size = len(records).to_bytes(4, "big")
            run.journal[self._next_id()] = b"\xdd" + size + b"".join(records)
        return verdicts

    def is_claimed(self, stream: str, entry_id: str) -> bool:
        """Whether a worker holds an entry."""
        found = self.state.streams.get(stream)
        return found is not None and any(entry_id in held for held in found.pending.values())

    def _settle(
        self, run: Run | None, who: str, stream: str, end: Settlement, records: list[bytes]
    ) -> Verdict:
        state = run.attempts.get(end.task, "") if run is not None else ""
        if run is not None and state == outstanding(end.attempt, end.entry_id, stream):
            run.attempts[end.task] = f"{end.attempt}{'!' if end.final else '='}{who}"
            records.append(end.record)
            return Verdict.SETTLED
        if state in (f"{end.attempt}={who}", f"{end.attempt}!{who}"):
            return Verdict.REPEATED
        return Verdict.FENCED

    def remove(self, stream: str, entry_id: str) -> bool:
        """Acknowledge and delete an entry; false if no worker held it."""
        found = self.state.streams.get(stream)
        if found is None:
            return False
        was_held = found.acknowledge(entry_id)
        found.delete(entry_id)
        if not found.entries:
            self.state.alone.discard(stream)
        return was_held

    # --- workers ----------------------------------------------------------------------------

    def register(
        self, worker_id: str, details: Mapping[str, str], served: bytes, lease_ms: int
    ) -> None:
        """Make a worker known, with a lease."""
        known = self.state.workers.setdefault(worker_id, Registered())
        known.details.update(details)
        known.served, known.ended = served, b""
        self.state.leases[worker_id] = self.now_ms() + lease_ms

    def beat(self, worker_id: str, lease_ms: int, status: bytes = b"") -> bool:
        """Renew a lease; false if it had been over or the registration gone."""
        lease_end = self.state.leases.get(worker_id)
        if lease_end == 0:  # it was reported dead
            return False
        if status:
            self.set_status(worker_id, status)
        was_live = (lease_end or 0) > self.now_ms()
        self.state.leases[worker_id] = self.now_ms() + lease_ms
        return was_live and worker_id in self.state.workers

    def end_lease(self, worker_id: str) -> bool:
        """End the lease of a worker whose process was killed; false if it has none."""
        if worker_id not in self.state.leases:
            return False
        self.state.leases[worker_id] = 0
        if worker_id in self.state.workers:
            self.state.workers[worker_id].ended = b"-9"
        return True

    def set_status(self, worker_id: str, status: bytes) -> bool:
        """Keep what a registered worker says of itself."""
        known = self.state.workers.get(worker_id)
        if known is not None:
            known.status = status
        return known is not None

    def claim(self, streams: Sequence[str], worker_id: str, count: int) -> list[tuple[str, str]]:
        """(stream, entry id) of up to ``count`` entries, the earlier streams first."""
        out: list[tuple[str, str]] = []
        for name in streams:
            if len(out) >= count:
                break
            given = self.state.streams[name].deliver(worker_id, count - len(out))
            out += [(name, entry_id) for entry_id in given]
        return out

    def make_groups(self, streams: Iterable[str]) -> int:
        """Make sure that streams exist; the number of those that were lost."""
        missing = [name for name in streams if name not in self.state.streams]
        lost = self.state.queues.intersection(missing)
        for name in missing:
            self.state.streams[name] = Stream()
        self.state.queues.update(streams)
        return len(lost)

    def set_aside(self, stream: str, entry_id: str, data: bytes, reason: str) -> bool:
        """Move a held entry to the dead letters."""
        found = self.state.streams.get(stream)
        if found is None or not found.acknowledge(entry_id):
            return False
        found.delete(entry_id)
        self.state.dead_letters.append((data, reason))
        return True

    def drop(self, worker_id: str, streams: Iterable[str], *, leaves: bool) -> bool:
        """Forget a worker, and its consumers that hold nothing; true if nothing of it is left."""
        if not leaves and self.state.leases.get(worker_id, 0) > self.now_ms():
            return False
        held = 0
        for stream in (self.state.streams[name] for name in streams if name in self.state.streams):
            if stream.pending.get(worker_id):
                held += 1
            else:
                stream.pending.pop(worker_id, None)
        if leaves or not held:
            self.state.leases.pop(worker_id, None)
            self.state.workers.pop(worker_id, None)
        return not held

    # --- looking ----------------------------------------------------------------------------

    def is_dead(self, worker_id: str) -> bool:
        """Whether a worker has no live lease."""
        return self.state.leases.get(worker_id, 0) <= self.now_ms()

    def dead_claims(self) -> list[tuple[str, str, str, bytes]]:
        """(stream, worker, entry id, data) of all that dead workers hold."""
        return [
            (name, worker_id, entry_id, stream.entries[entry_id][0])
            for name, stream in sorted(self.state.streams.items())
            for worker_id, held in sorted(stream.pending.items())
            if self.is_dead(worker_id)
            for entry_id in held
        ]

    def busy(self) -> set[str]:
        """All workers that hold something."""
        streams = self.state.streams.values()
        return {name for stream in streams for name, held in stream.pending.items() if held}
