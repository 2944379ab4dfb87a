"""Signatures: only holders of a key can make a process run or believe something."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Literal

Purpose = Literal["plan", "header", "flow", "task", "record", "hint", "log", "chronicle"]

KEY_VARIABLE = "ASTRUM_SIGNING_KEY"
"""Holds one key, or several separated by commas."""
SIGNATURE_BYTES = 32
MIN_KEY_BYTES = 16
_PURPOSES = ("plan", "header", "flow", "task", "record", "hint", "log", "chronicle")


class Signer:
    """Signs with the first of its keys and accepts any, so that keys can be rotated.

    A signature (HMAC-SHA256, 32 bytes) binds the data to its purpose and its run: a record can
    not pass for a task, nor an old run's task for a new one's. It does not bind to a time.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a signer needs at least one key")
        if any(len(key) < MIN_KEY_BYTES for key in keys):
            raise ValueError(f"a signing key must have at least {MIN_KEY_BYTES} bytes")
        self._keys = tuple(bytes(key) for key in keys)

    def __repr__(self) -> str:
        return f"Signer(<{len(self._keys)} keys>)"

    def sign(self, purpose: Purpose, run_id: str, data: bytes) -> bytes:
        """Return the signature of ``data`` for this purpose and this run."""
        return hmac.digest(self._keys[0], _framed(purpose, run_id, data), "sha256")

    def verify(self, purpose: Purpose, run_id: str, data: bytes, signature: bytes) -> bool:
        """Return, in constant time per key, whether one of the keys made ``signature``."""
        framed = _framed(purpose, run_id, data)
        expected = (hmac.digest(key, framed, "sha256") for key in self._keys)
        return any(hmac.compare_digest(digest, signature) for digest in expected)


def _framed(purpose: Purpose, run_id: str, data: bytes) -> bytes:
    if purpose not in _PURPOSES:
        raise ValueError(f"{purpose!r} is not one of {', '.join(_PURPOSES)}")
    run = run_id.encode()
    return b"astrum\0%s\0%s%s" % (purpose.encode(), len(run).to_bytes(4, "big"), run) + data
