"""The log of an attempt in the form that is stored with its run.

The first lines and the latest ones are kept, at most `MAX_LOG_BYTES` together. Each line is packed
when it is logged, so that its size is known exactly; the stored form joins these bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.machine.task_log import LogLine, LogsLeftOut, TaskLog
from astrum.values.compression import inflate, inflated_bytes, shrink
from astrum.values.references import digest_of
from astrum.values.unpacking import unpack

FIRST_BYTES = 16 * 1024
LATEST_BYTES = 48 * 1024
MAX_LOG_BYTES = FIRST_BYTES + LATEST_BYTES
MAX_LINE_CHARACTERS = 8 * 1024
"""The most of one line that is kept, so that one line cannot displace all others."""
LOG_COSTS_BYTES = 200
"""What a stored log costs beyond its bytes: its key, and its name in a list."""
SIZES_OF_LOGS = "logs"
"""The name among the values of a run of what its logs have together: see `decode_left_out`."""
STDOUT = "stdout"
"""The logger of lines that were printed."""
_MAX_STORED_BYTES = 4 * MAX_LOG_BYTES
_FORMAT = 1
_LENGTH_BYTES = 4


class LogRows(NamedTuple):
    """The packed lines of an attempt: the first, the latest, and how many are left out between."""

    first: Sequence[bytes]
    latest: Sequence[bytes]
    left_out: int = 0


def encode_line(at: float, level: int, logger: str, text: str) -> bytes:
    """Return the bytes of one line; of a long one the beginning and the end are kept."""
    if len(text) > MAX_LINE_CHARACTERS:
        text = shortened(text)
    try:
        packed: bytes = msgpack.packb((at, level, logger, text))
    except UnicodeEncodeError:
        packed = msgpack.packb((at, level, logger, text), unicode_errors="backslashreplace")
    return packed


def shortened(text: str, limit: int = MAX_LINE_CHARACTERS) -> str:
    """Return the beginning and the end of a string, and how much is missing between them.

    >>> shortened("0123456789", 4)
    '01 … 6 characters left out … 89'
    """
    half = limit // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters left out … {text[-half:]}"


def most_bytes(limit_bytes: int, *, is_failure: bool) -> int:
    """Return what the logs of a run may have together when one more is stored.

    A quarter of the limit is kept for attempts that fail: their logs are worth most, and those of
    successes come in far greater numbers.

    >>> most_bytes(1000, is_failure=True), most_bytes(1000, is_failure=False)
    (1000, 750)
    """
    return limit_bytes if is_failure else limit_bytes // 4 * 3


def encode_log(rows: LogRows, worker_id: str, *, is_whole: bool, shift_s: float = 0.0) -> bytes:
    """Return the stored form of a log; ``shift_s`` puts its times on the server's clock."""
    first, latest, left_out = rows
    facts = (_FORMAT, worker_id, is_whole, shift_s, left_out, len(first))
    header: bytes = msgpack.packb(facts, unicode_errors="backslashreplace")
    count = len(first) + len(latest)
    lines = b"".join((*first, *latest))
    # The array of the facts with one more item: the array of the lines, whose bytes are joined.
    whole = bytes((header[0] + 1,)) + header[1:] + b"\xdd" + count.to_bytes(4, "big") + lines
    return shrink(whole)


def decode_log(data: bytes) -> TaskLog:
    """Read a stored log; what a later version added is ignored. Raises `DecodeError`."""
    if inflated_bytes(data) > _MAX_STORED_BYTES:
        raise DecodeError("a log claims to be larger than any log that is stored")
    fields = unpack(inflate(data), max_bytes=_MAX_STORED_BYTES)
    try:
        version, worker_id, is_whole, shift_s, left_out, after, rows, *_ = fields
        if version != _FORMAT:
            raise DecodeError(f"the log has the format {version!r}, this process reads {_FORMAT}")
        shift_s, left_out = float(shift_s), max(int(left_out), 0)
        lines = tuple([_line(row, shift_s) for row in rows])
        after = min(max(int(after), 0), len(lines)) if left_out else 0
        return TaskLog(str(worker_id), lines, left_out, after, bool(is_whole))
    except (TypeError, ValueError, OverflowError) as error:
        raise DecodeError(f"a log is malformed: {error}") from None


def decode_left_out(data: bytes | None) -> LogsLeftOut:
    """Return how many logs of a run were left out, by what the server keeps; never raises.

    >>> decode_left_out(b"4800 2 1500 5000")
    LogsLeftOut(attempts=2, since=1.5, limit_bytes=5000)
    """
    try:
        _, count, since_ms, limit, *_ = map(int, (data or b"").split())
    except ValueError:
        return LogsLeftOut()
    return LogsLeftOut(count, since_ms / 1000, limit)


def _line(row: Any, shift_s: float) -> LogLine:
    at, level, logger, text, *_ = row
    at = float(at) + shift_s
    if not math.isfinite(at):
        raise ValueError(f"a line has the time {at!r}")
    return LogLine(at, int(level), str(logger), str(text))


def log_name(task: int, attempt: int) -> str:
    """Return the name under which the log of an attempt stands among the values of its run.

    >>> log_name(3, 1)
    'log-3-1'
    """
    return f"log-{task}-{attempt}"


def fingerprint_of_log(data: bytes) -> bytes:
    """Return what the record of an attempt says of its stored log: its digest and its length."""
    return bytes.fromhex(digest_of(data)) + len(data).to_bytes(_LENGTH_BYTES, "big")
