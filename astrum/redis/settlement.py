"""Arguments and replies of the settle script, which records the one end of an attempt."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Settlement(NamedTuple):
    """One attempt's end, to be recorded at most once.

    ``entry_id`` is the stream entry that dispatched the attempt: together with ``attempt`` it is
    the fence. ``final`` forbids any further attempt of the task. ``record`` is one encoded
    journal record (`astrum.protocol.messages.encode_record`).
    """

    task: int
    attempt: int
    entry_id: str
    final: bool
    record: bytes


class StoredLog(NamedTuple):
    """The log of an attempt in the form to store, and its name among the values of its run.

    It is stored if the logs of the run have at most ``limit_bytes`` then; see `most_bytes`.
    ``is_whole``: no further part of it comes.
    """

    run_id: str
    name: str
    data: bytes
    limit_bytes: int
    is_failure: bool = True
    is_whole: bool = True


class Verdict(IntEnum):
    """The result of a settlement."""

    FENCED = 0
    """The attempt was not outstanding any more (or never was): nothing was recorded."""
    SETTLED = 1
    """Recorded now."""
    REPEATED = 2
    """Recorded before, by the same party: the reply had been lost."""
