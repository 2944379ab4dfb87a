"""Signs and verifies plans, headers, chronicles, task messages, journal rows, logs and hints.

With keys, what is not signed is refused: write access to the server alone does not make a process
run or believe anything. Without keys all data is passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgpack

from astrum.errors import DecodeError
from astrum.protocol.hints import Hint, decode_hint, encode_hint
from astrum.protocol.messages import LeaderEvent, Record, decode_entry, encode_entry
from astrum.protocol.signing import KEY_VARIABLE, SIGNATURE_BYTES, Signer
from astrum.values.unpacking import unpack

_ADVICE = f"was it forged, or has a process no {KEY_VARIABLE} or another one?"


class Seal:
    """Signs with the first of ``keys``, and accepts signatures of any of them.

    A sealed journal row is the msgpack pair [signature, row]; a sealed plan, header, log or hint
    has its signature in front; a task message's stands beside it.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.signer = Signer(keys) if keys else None

    @property
    def is_on(self) -> bool:
        """True if there are keys."""
        return self.signer is not None

    def task_signature(self, run_id: str, message: bytes) -> bytes:
        """Return the signature to send beside a task message, ``b""`` without keys."""
        return self.signer.sign("task", run_id, message) if self.signer else b""

    def distrust(self, run_id: str, message: bytes, signature: bytes) -> str:
        """Return why a task message must not be run here, ``""`` if it may be."""
        if self.signer is None:
            # Its run accepts only ends that are signed, so running it would be useless.
            return f"the run is signed, and this process has no {KEY_VARIABLE}" * bool(signature)
        if not signature:
            return "the message is not signed; was it forged, or does its coordinator lack the key?"
        if not self.signer.verify("task", run_id, message, signature):
            return (
                "the message is not signed by a key of this process; was it forged, or has this "
                f"process another {KEY_VARIABLE} than the coordinator?"
            )
        return ""

    def seal_row(self, run_id: str, row: bytes) -> bytes:
        """Return a journal row in the form to store."""
        if self.signer is None:
            return row
        sealed: bytes = msgpack.packb((self.signer.sign("record", run_id, row), row))
        return sealed

    def seal_entry(self, run_id: str, *rows: bytes) -> bytes:
        """Return a whole journal entry of rows that no settle script joins."""
        return encode_entry(self.seal_row(run_id, row) for row in rows)

    def open_entry(
        self, run_id: str, entry: bytes, note_unknown: Callable[[str], object] | None = None
    ) -> list[Record | LeaderEvent]:
        """Read a journal entry; raises `DecodeError` if it is malformed or a row is not signed.

        ``note_unknown`` is as for `decode_entry`; rows that are skipped must be signed too.
        """
        if self.signer is None:
            return decode_entry(entry, note_unknown)
        try:
            pairs = unpack(entry)
            rows = [row for signature, row in pairs if self._is_ours(run_id, row, signature)]
        except (DecodeError, TypeError, ValueError, AttributeError):
            raise DecodeError(f"its rows are not signed; {_ADVICE}") from None
        if len(rows) != len(pairs):
            raise DecodeError(f"a row is not signed by a key of this process; {_ADVICE}")
        return decode_entry(encode_entry(rows), note_unknown)

    def seal_plan(self, plan: bytes) -> bytes:
        """Return a plan in the form to store; it belongs to no run."""
        return self.signer.sign("plan", "", plan) + plan if self.signer else plan

    def open_plan(self, digest: str, data: bytes) -> bytes:
        """Return the plan's own bytes; raises `DecodeError` if it is not signed."""
        if self.signer is None:
            return data
        signature, plan = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("plan", "", plan, signature):
            raise _not_signed(f"the plan {digest}")
        return plan

    def seal_header(self, run_id: str, header: bytes) -> bytes:
        """Return the header of a run in the form to store."""
        return self.signer.sign("header", run_id, header) + header if self.signer else header

    def open_header(self, run_id: str, data: bytes) -> bytes:
        """Return the header's own bytes; raises `DecodeError` if it is not signed for the run."""
        if self.signer is None:
            return data
        signature, header = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("header", run_id, header, signature):
            raise _not_signed(f"the header of run {run_id}")
        return header

    def seal_flow(self, name: str, record: bytes) -> bytes:
        """Return the record of a published flow in the form to store."""
        return self.signer.sign("flow", name, record) + record if self.signer else record

    def open_flow(self, name: str, data: bytes) -> bytes:
        """Return the record's own bytes; raises `DecodeError` if it is not signed for the name."""
        if self.signer is None:
            return data
        signature, record = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("flow", name, record, signature):
            raise _not_signed(f"the published flow {name!r}")
        return record

    def seal_chronicle(self, run_id: str, data: bytes) -> bytes:
        """Return the chronicle of a run in the form to store."""
        return self.signer.sign("chronicle", run_id, data) + data if self.signer else data

    def open_chronicle(self, run_id: str, data: bytes) -> bytes:
        """Return the chronicle's own bytes; raises `DecodeError` if not signed for the run."""
        if self.signer is None:
            return data
        signature, chronicle = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("chronicle", run_id, chronicle, signature):
            raise _not_signed(f"the chronicle of run {run_id}")
        return chronicle

    def seal_log(self, run_id: str, name: str, log: bytes) -> bytes:
        """Return the log of an attempt in the form to store; ``name`` is that of `log_name`."""
        return self.signer.sign("log", f"{run_id}/{name}", log) + log if self.signer else log

    def open_log(self, run_id: str, name: str, data: bytes) -> bytes:
        """Return the log's own bytes; raises `DecodeError` if it is not signed for the attempt."""
        if self.signer is None:
            return data
        signature, log = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("log", f"{run_id}/{name}", log, signature):
            raise DecodeError(f"the log is not signed by a key of this process; {_ADVICE}")
        return log

    def seal_hint(self, hint: Hint) -> bytes:
        """Return a hint in the form to publish."""
        data = encode_hint(hint)
        return self.signer.sign("hint", "", data) + data if self.signer else data

    def open_hint(self, data: bytes) -> Hint:
        """Read a hint; raises `DecodeError` if it is malformed or not signed."""
        if self.signer is None:
            return decode_hint(data)
        signature, hint = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self.signer.verify("hint", "", hint, signature):
            raise DecodeError("the hint is not signed by a key of this process")
        return decode_hint(hint)

    def _is_ours(self, run_id: str, row: bytes, signature: bytes) -> bool:
        assert self.signer is not None
        return self.signer.verify("record", run_id, row, signature)


def _not_signed(what: str) -> DecodeError:
    return DecodeError(
        f"{what} is not signed by a key of this process; give the submitter and all coordinators "
        f"the same {KEY_VARIABLE}"
    )
