"""The end of an attempt as the worker knows it, and in the form that the store takes."""

from __future__ import annotations

from typing import NamedTuple

from astrum.machine.events import Outcome
from astrum.protocol.messages import Record, encode_record
from astrum.protocol.sealing import Seal
from astrum.redis import Claim, Settlement, StoredLog
from astrum.redis.records import queued_ms
from astrum.redis.server_clock import ServerClock
from astrum.values.references import Blob


class Ending(NamedTuple):
    """The one end of an attempt. ``blob`` is the value that the record refers to, if it is big.

    The times of the record are on this host's clock; `on_server_clock` puts them on the server's.
    ``log`` is what the attempt logged, if that is to be stored.
    """

    record: Record
    blob: Blob | None = None
    log: StoredLog | None = None

    @property
    def size(self) -> int:
        """The bytes of the encoded result."""
        return len(self.record.value or b"") if self.blob is None else len(self.blob.data)


def settlement_of(seal: Seal, run_id: str, claim: Claim, record: Record) -> Settlement:
    """Return the end of a claim, with server times, in the form that the store takes: signed."""
    row = seal.seal_row(run_id, encode_record(record))
    is_final = record.outcome is Outcome.SUCCEEDED
    return Settlement(record.task, record.attempt, claim.entry_id, is_final, row)


def on_server_clock(record: Record, claim: Claim, clock: ServerClock) -> Record:
    """Return the end of a claim with its times on the server's clock, and how long it waited."""
    if not record.started_at:
        return record  # it never began
    started_at = clock.at(record.started_at)
    turn_at = started_at - record.prepared_ms / 1000
    return record._replace(
        started_at=started_at,
        ended_at=clock.at(record.ended_at),
        queued_ms=queued_ms(claim.entry_id, turn_at),
    )
