"""Values between the wire and the task: arguments in, results out."""

from __future__ import annotations

from typing import Any, NamedTuple

from astrum.data_transport.locate import binding_error
from astrum.errors import LocateError, PayloadTooLargeError
from astrum.redis.blobs import digest_of
from astrum.wire.arguments import NO_ARGUMENTS, unpack_arguments
from astrum.wire.compression import shrink
from astrum.wire.messages import TaskMessage
from astrum.wire.projection import project
from astrum.wire.references import BlobRef, encode_reference, reference_of
from astrum_worker.blobs import BlobCache
from astrum_worker.catalog import Served


class EncodedResult(NamedTuple):
    """A result as it stands in the journal, and the value to store beside it if it is big."""

    value: bytes
    blob: bytes | None = None


async def decode_arguments(
    message: TaskMessage, served: Served, blobs: BlobCache
) -> dict[str | int, Any]:
    """Return the arguments of an attempt; references are fetched.

    Raises `TransportError` kinds, and `StoreError` or `RunNotFoundError` for a value that is gone.
    """
    if message.arguments == NO_ARGUMENTS:
        return {}
    arguments: dict[str | int, Any] = {}
    for parameter, data in unpack_arguments(message.arguments).items():
        ref = reference_of(data)
        if ref is not None:
            blob = await blobs.get(message.run_id, ref.digest)
            data = _part(blob, ref, served, parameter)
        arguments[parameter] = served.codec.decode(data)
    return arguments


def _part(blob: bytes, ref: BlobRef, served: Served, parameter: str | int) -> bytes:
    try:
        return project(blob, ref.path)
    except LocateError as error:
        bindings = served.task.inputs.bindings
        source = next((b.source for b in bindings if b.parameter == parameter), "")
        raise binding_error(served.task.task_id, parameter, source, error) from None


def encode_result(
    value: Any, served: Served, *, inline_bytes: int, max_bytes: int
) -> EncodedResult:
    """Encode what a task returned; raises `EncodeError` or `PayloadTooLargeError`."""
    data = served.codec.encode(value)
    if len(data) > max_bytes:
        raise PayloadTooLargeError(
            f"the result of task {served.task.task_id!r} has {len(data):,} bytes, the limit is "
            f"{max_bytes:,}: return less, or store it elsewhere and return where it is"
        )
    data = shrink(data)
    if len(data) <= inline_bytes:
        return EncodedResult(data)
    reference = BlobRef(digest_of(data), len(data))
    return EncodedResult(encode_reference(reference), data)
