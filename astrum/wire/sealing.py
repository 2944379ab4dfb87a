"""What is signed, and where the signature stands: plans, task messages, journal rows.

Write access to the server alone then makes nobody run or believe anything. Without keys all is
passed on as it is; with keys, what is not signed is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgpack

from astrum.errors import DecodeError
from astrum.wire.messages import LeaderFact, Record, decode_entry, encode_entry
from astrum.wire.signing import SIGNATURE_BYTES, Signer


class Seal:
    """Signs and checks what travels, with the first and with any of ``keys``.

    A sealed journal row is the msgpack pair [signature, row]; a sealed plan has its signature in
    front; a task message's stands beside it.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.signer = Signer(keys) if keys else None

    def task_signature(self, run_id: str, message: bytes) -> bytes:
        """Return the signature to send beside a task message, ``b""`` without keys."""
        return self.signer.sign("task", run_id, message) if self.signer else b""

    def seal_row(self, run_id: str, row: bytes) -> bytes:
        """Return a journal row as it is to be stored."""
        if self.signer is None:
            return row
        sealed: bytes = msgpack.packb((self.signer.sign("record", run_id, row), row))
        return sealed

    def seal_entry(self, run_id: str, *rows: bytes) -> bytes:
        """Return a whole journal entry of rows that no settle script joins."""
        return encode_entry(self.seal_row(run_id, row) for row in rows)

    def open_entry(self, run_id: str, entry: bytes) -> list[Record | LeaderFact]:
        """Read a journal entry; raises `DecodeError` if it is malformed or a row is not signed."""
        if self.signer is None:
            return decode_entry(entry)
        try:
            pairs = msgpack.unpackb(entry)
            rows = [row for signature, row in pairs if self._is_ours(run_id, row, signature)]
        except Exception as error:  # msgpack raises many kinds for hostile bytes
            raise DecodeError(f"not a signed journal entry: {type(error).__name__}") from None
        if len(rows) != len(pairs):
            raise DecodeError(
                "a row is not signed by a key of this process; was it forged, or does a process "
                "lack ASTRUM_SIGNING_KEYS?"
            )
        return decode_entry(encode_entry(rows))

    def seal_plan(self, run_id: str, plan: bytes) -> bytes:
        """Return a plan as it is to be stored."""
        return self.signer.sign("plan", run_id, plan) + plan if self.signer else plan

    def open_plan(self, run_id: str, data: bytes) -> bytes:
        """Return the plan's own bytes; raises `DecodeError` if it is not signed."""
        if self.signer is None:
            return data
        signature, plan = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("plan", run_id, plan, signature):
            raise DecodeError(
                f"the plan of run {run_id} is not signed by a key of this process; give the "
                "submitter and all coordinators the same ASTRUM_SIGNING_KEYS"
            )
        return plan

    def _is_ours(self, run_id: str, row: bytes, signature: bytes) -> bool:
        assert self.signer is not None
        return self.signer.verify("record", run_id, row, signature)
