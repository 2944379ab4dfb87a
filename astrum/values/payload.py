"""Packs results and arguments for sending: references for big values, and the size limits.

Workers and coordinators pack them with this, and a run in process that checks the wire does too,
so that it finds the same values too big.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from astrum.data_transport.bindings import Path
from astrum.errors import PayloadTooLargeError
from astrum.values.arguments import pack_arguments
from astrum.values.compression import shrink
from astrum.values.projector import Projector
from astrum.values.references import Blob, BlobRef, digest_of, encode_reference, reference_of

INLINE_BYTES = 64 * 1024
MAX_VALUE_BYTES = 64 * 1024 * 1024
MAX_ARGUMENT_BYTES = 64 * 1024 * 1024


class EncodedResult(NamedTuple):
    """A result in its form for the journal, and the value to store beside it if it is big."""

    value: bytes
    blob: Blob | None = None


def pack_result(
    task_id: str,
    data: bytes,
    *,
    inline_bytes: int = INLINE_BYTES,
    max_bytes: int = MAX_VALUE_BYTES,
) -> EncodedResult:
    """Return an encoded result as it is sent; raises `PayloadTooLargeError`, naming the task."""
    if len(data) > max_bytes:
        raise PayloadTooLargeError(
            f"the result of task {task_id!r} has {len(data):,} bytes, the limit is "
            f"{max_bytes:,}: return less, or store it elsewhere and return where it is"
        )
    return pack_value(data, inline_bytes=inline_bytes)


def pack_value(data: bytes, *, inline_bytes: int = INLINE_BYTES) -> EncodedResult:
    """Return an encoded value as it is sent: shrunk, and apart if it is big."""
    packed = shrink(data)
    if len(packed) <= inline_bytes:
        return EncodedResult(packed)
    digest = digest_of(data)
    return EncodedResult(encode_reference(BlobRef(digest, len(data))), Blob(digest, packed))


def part_of_result(value: bytes, path: Path, projector: Projector, name: Hashable) -> bytes:
    """Return the encoded part that ``path`` leads to; of a reference, the reference to it.

    ``name`` names the value for the ``projector``. Raises `LocateError` if there is no such part
    in a value that is not a reference.
    """
    if not path:
        return value
    reference = reference_of(value)
    if reference is None:
        return projector.project(name, value, path)
    return encode_reference(BlobRef(reference.digest, reference.size, (*reference.path, *path)))


def pack_task_arguments(
    task_id: str,
    arguments: Iterable[tuple[str | int, bytes]],
    max_bytes: int = MAX_ARGUMENT_BYTES,
) -> bytes:
    """Join the encoded arguments of a task; raises `PayloadTooLargeError`, naming the task."""
    data = pack_arguments(arguments)
    if len(data) > max_bytes:
        raise PayloadTooLargeError(
            f"the arguments of task {task_id!r} are {len(data):,} bytes, more than the limit of "
            f"{max_bytes:,}: read fields instead of whole results, or fan in over several tasks"
        )
    return data
