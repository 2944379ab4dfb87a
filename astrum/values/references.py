"""Values that are too big for a message: their names, and the references that stand for them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import msgpack

from astrum.data_transport.bindings import Path
from astrum.errors import DecodeError
from astrum.values.codes import Code, ext_header, whole_ext
from astrum.values.unpacking import unpack

MAX_REFERENCE_BYTES = 1024 * 1024
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A reference to a big value: its digest, its raw size, and the part that is meant.

    With a ``path``, the fetched value is projected by that path before it is decoded.
    """

    digest: str
    size: int
    path: Path = ()


class Blob(NamedTuple):
    """A big value on its way to the store.

    ``digest`` is that of the encoded value before compression: hosts with different compressors
    give one value the same name. ``data`` may be compressed.
    """

    digest: str
    data: bytes


def digest_of(data: bytes) -> str:
    """Return the name of an encoded value that is not compressed.

    It is the BLAKE2b digest of 128 bits as hexadecimal digits.

    >>> digest_of(b"")
    'cae66941d9efbd404e4d88758ea67670'
    """
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def encode_reference(ref: BlobRef) -> bytes:
    """Return the bytes that stand for the value in records and messages."""
    payload: bytes = msgpack.packb([ref.digest, ref.size, list(ref.path)])
    return whole_ext(Code.REFERENCE, payload)


def reference_of(data: bytes) -> BlobRef | None:
    """Return the reference that ``data`` is; None for a value itself, by its first bytes.

    Raises `DecodeError` for a damaged reference.
    """
    header = ext_header(data)
    if header is None or header.code != Code.REFERENCE:
        return None
    if header.end != len(data):
        raise DecodeError("a reference is cut short or followed by other bytes")
    try:
        digest, size, path = unpack(data[header.start :], max_bytes=MAX_REFERENCE_BYTES)
    except (DecodeError, TypeError, ValueError) as error:
        raise DecodeError(f"a reference is damaged: {error}") from None
    if type(digest) is not str or type(size) is not int or not _is_path(path):
        raise DecodeError("a reference has parts of the wrong type")
    return BlobRef(digest, size, tuple(path))


def _is_path(path: object) -> bool:
    return isinstance(path, list) and all(type(step) in (int, str) for step in path)
