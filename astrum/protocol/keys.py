"""The names of all keys in Redis; nothing else in the project spells one.

All keys of one namespace carry the hash tag ``{prefix}``, so every script finds its keys in one
slot of a cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from astrum.protocol.streams import Stream

DEFAULT_PREFIX = "astrum"
GROUP = "w"
SERVERS = "serve"
"""The group of the processes that serve."""
FIELD = "d"
"""The one field of every stream entry (repeated names would collapse in clients)."""
SIGNATURE_FIELD = "s"
OUTSTANDING_FIELD = "#"
"""The field of a run's attempt hash that counts its outstanding attempts."""

DRAIN_FIELD = "drain"
"""The field of a worker's hash that asks it to drain."""

LATE_FIELD = "~"
"""The field that counts ends that came after another end of the attempt, and were dropped."""

LANE_SUFFIX = {"async": "a", "thread": "t", "exclusive": "x"}
"""Stream suffix of each lane; "exclusive" carries attempts that must run alone on a worker."""

URGENT_SUFFIX = "u"
"""The end of the key of a stream with attempts of a priority above 0."""

_LANES = {suffix: lane for lane, suffix in LANE_SUFFIX.items()}

_NOT_IN_PREFIX = re.compile(r"[{}*?\[\]\\()\s\x00-\x1f\x7f\ud800-\udfff]")
"""Characters that end the hash tag, split an access rule, widen a pattern or have no bytes."""
_RUN_ID = re.compile(r"[\w.@+-]{1,200}", re.ASCII)


@lru_cache(maxsize=256)
def is_run_id(text: str) -> bool:
    """Return whether a string can name a run.

    Without colons the keys of two runs never meet, and access rules can name one run's keys.

    >>> is_run_id("20260131-235959-a1b2c3d4"), is_run_id("a:d")
    (True, False)
    """
    return _RUN_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class Keys:
    """Key names under one prefix, which separates installations on one server.

    ``database`` is the number of the server's database. Keys of two databases never meet, but
    channels are the server's, so their names hold it.
    """

    prefix: str = DEFAULT_PREFIX
    database: int = 0

    def __post_init__(self) -> None:
        if not self.prefix or _NOT_IN_PREFIX.search(self.prefix):
            raise ValueError(
                "a key prefix may not be empty or hold brackets, blanks, globs or control "
                f"characters: {self.prefix!r}"
            )

    def queue(self, stream: Stream) -> str:
        """Stream of dispatched attempts of one queue, lane and offer, urgent ones apart.

        >>> Keys().queue(Stream("default", "async", "c0ffee"))
        '{astrum}:q:default:a:c0ffee'
        >>> Keys().queue(Stream("default", "async", "c0ffee", urgent=True))
        '{astrum}:q:default:a:c0ffee:u'
        """
        queue, lane, offer, urgent = stream
        suffix = f":{URGENT_SUFFIX}" if urgent else ""
        return f"{{{self.prefix}}}:q:{queue}:{LANE_SUFFIX[lane]}:{offer}{suffix}"

    def is_queue(self, key: str) -> bool:
        """Return whether a key is that of a stream of attempts under this prefix."""
        return key.startswith(f"{{{self.prefix}}}:q:")

    def is_exclusive(self, key: str) -> bool:
        """Return whether a key is that of a stream of exclusive attempts.

        >>> Keys().is_exclusive(Keys().queue(Stream("default", "exclusive")))
        True
        """
        return self.is_queue(key) and self.stream_name(key).split(":")[1:2] == ["x"]

    def stream_name(self, stream: str) -> str:
        """Return the part of a stream's key that no other stream has, for `outstanding`.

        >>> Keys().stream_name(Keys().queue(Stream("default", "async")))
        'default:a:'
        """
        return stream.removeprefix(f"{{{self.prefix}}}:q:")

    def stream_named(self, name: str) -> str:
        """Return the key of the stream with this `stream_name`."""
        return f"{{{self.prefix}}}:q:{name}"

    def outstanding(self, attempt: int, entry_id: str, stream: str) -> str:
        """Return the fence of an outstanding attempt: its number, its entry, the entry's stream.

        >>> Keys().outstanding(2, "1500-0", Keys().queue(Stream("default", "async")))
        '2:1500-0/default:a:'
        """
        return f"{attempt}:{entry_id}/{self.stream_name(stream)}"

    def stream_of(self, key: str) -> Stream:
        """Return which stream of attempts has this key; raises ``ValueError`` for other keys.

        >>> Keys().stream_of("{astrum}:q:gpu:t:c0ffee")
        Stream(queue='gpu', lane='thread', offer='c0ffee', urgent=False)
        """
        queue, *parts = self.stream_name(key).split(":")
        is_one = len(parts) == 2 or (len(parts) == 3 and parts[2] == URGENT_SUFFIX)
        if not self.is_queue(key) or not is_one or parts[0] not in _LANES:
            raise ValueError(f"{key!r} is not a stream of attempts")
        return Stream(queue, _LANES[parts[0]], parts[1], urgent=len(parts) == 3)

    @property
    def queues(self) -> str:
        """Set of the stream keys that were ever dispatched to; the reaper walks it."""
        return f"{{{self.prefix}}}:queues"

    def want(self, stream: str) -> str:
        """Sorted set: runs that have more for the stream with this key.

        The score is the ms until which a run counts, and its rank above them (`claimants` in
        ``shared.lua``). Each leader that dispatches there learns from it how the stream is shared.
        """
        return f"{{{self.prefix}}}:want:{self.stream_name(stream)}"

    @property
    def alone(self) -> str:
        """Set of the keys of exclusive streams that hold something, for idle workers to ask."""
        return f"{{{self.prefix}}}:alone"

    def run(self, run_id: str) -> str:
        """Hash: state, epoch, owner and length of its lease, times and labels of one run.

        The end of the lease is the score in `runs`; `attempts` counts outstanding attempts.
        """
        return f"{{{self.prefix}}}:run:{run_id}"

    def plan(self, digest: str) -> str:
        """String: an immutable plan, under its digest; runs with the same plan share it."""
        return f"{{{self.prefix}}}:plan:{digest}"

    def attempts(self, run_id: str) -> str:
        """Hash, the fence: task number to ``<att>:<entry>/<stream name>``, ``<att>=<who>`` or
        ``<att>!<who>``.
        """
        return f"{{{self.prefix}}}:run:{run_id}:d"

    def journal(self, run_id: str) -> str:
        """Stream without a group: all events of the run, in order."""
        return f"{{{self.prefix}}}:run:{run_id}:j"

    def staged(self, run_id: str) -> tuple[str, str, str]:
        """Attempts, journal and list of blobs of a run that is to be created with seeds.

        No run has an id with a colon.
        """
        apart = f"seeds:{run_id}"
        return self.attempts(apart), self.journal(apart), self.blobs(apart)

    def blob(self, run_id: str, digest: str) -> str:
        """String: one value too big for a message, named by its content."""
        return f"{{{self.prefix}}}:b:{run_id}:{digest}"

    def blobs(self, run_id: str) -> str:
        """Set: digests of the run's blobs, so that their life follows the run's."""
        return f"{{{self.prefix}}}:run:{run_id}:b"

    @property
    def flows(self) -> str:
        """Hash: the sealed record of each published flow by its name."""
        return f"{{{self.prefix}}}:flows"

    @property
    def runs(self) -> str:
        """Sorted set: open run ids by the ms at which their leader's lease ends (0 = no owner)."""
        return f"{{{self.prefix}}}:runs"

    @property
    def delayed(self) -> str:
        """Sorted set: ids of open runs that have not begun, by the ms at which they shall."""
        return f"{{{self.prefix}}}:delayed"

    @property
    def wake(self) -> str:
        """Stream, bounded, group `SERVERS`: runs that wait for a leader; hints, never acknowledged.

        It exists only after some process has served.
        """
        return f"{{{self.prefix}}}:wake"

    @property
    def done(self) -> str:
        """Stream, bounded: ids of runs in the order of their ends, for processes that wait."""
        return f"{{{self.prefix}}}:done"

    @property
    def history(self) -> str:
        """Sorted set: ended run ids by the ms at which they ended."""
        return f"{{{self.prefix}}}:history"

    @property
    def index(self) -> str:
        """Sorted set: ids of all runs by the ms of their creation."""
        return f"{{{self.prefix}}}:index"

    def chronicle(self, run_id: str) -> str:
        """String: the chronicle of an ended run, which lives for longer than its record."""
        return f"{{{self.prefix}}}:past:{run_id}"

    @property
    def chronicles(self) -> str:
        """Sorted set: ids of runs that have a chronicle, by the ms at which it expires."""
        return f"{{{self.prefix}}}:pasts"

    @property
    def chronicle_sizes(self) -> str:
        """Hash: run id to the bytes of its chronicle, and under ``#`` the bytes of all."""
        return f"{{{self.prefix}}}:pastsizes"

    @property
    def untidied(self) -> str:
        """Sorted set: ended runs whose blobs still have their old life, by the ms of their end."""
        return f"{{{self.prefix}}}:untidied"

    @property
    def leases(self) -> str:
        """Sorted set: worker ids by the ms (server time) at which their lease ends."""
        return f"{{{self.prefix}}}:wz"

    def worker(self, worker_id: str) -> str:
        """Hash with expiry: what a worker is, serves and runs."""
        return f"{{{self.prefix}}}:w:{worker_id}"

    @property
    def coordinators(self) -> str:
        """Sorted set: owner ids of coordinators by the ms until which they count as live."""
        return f"{{{self.prefix}}}:cz"

    def coordinator(self, owner: str) -> str:
        """Hash with expiry: what a coordinator is, and what it leads."""
        return f"{{{self.prefix}}}:c:{owner}"

    @property
    def exclusive(self) -> str:
        """Sorted set: workers that make room for an exclusive attempt, by the ms when it ends."""
        return f"{{{self.prefix}}}:exclusive"

    @property
    def dead_letters(self) -> str:
        """Stream, bounded: undecodable messages that could not be attributed to a run."""
        return f"{{{self.prefix}}}:dead"

    @property
    def paused(self) -> str:
        """Hash: what operators have paused, by ``<kind>:<name>``."""
        return f"{{{self.prefix}}}:paused"

    @property
    def control(self) -> str:
        """Pub/sub channel of hints that attempts were revoked; the hashes have the truth.

        The channel of database 0 has no number, so that its name stays as in earlier versions.
        """
        name = f"{{{self.prefix}}}:ctl"
        return f"{name}:{self.database}" if self.database else name

    @property
    def controls(self) -> tuple[str, str]:
        """Glob patterns of the channels of all databases, for access rules."""
        name = f"{{{self.prefix}}}:ctl"
        return name, f"{name}:*"
