"""Decodes the arguments of attempts and encodes their results."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from astrum.data_transport.bindings import Binding
from astrum.data_transport.locate import binding_error
from astrum.errors import LocateError
from astrum.execution.large_values import Aside
from astrum.execution.observing import observe
from astrum.protocol.task_message import TaskMessage
from astrum.runtime.loops import LARGE_BYTES
from astrum.values.arguments import NO_ARGUMENTS, unpack_arguments
from astrum.values.compression import inflated_bytes
from astrum.values.payload import EncodedResult, pack_result
from astrum.values.references import BlobRef, reference_of
from astrum.values.unsent import encode_or_leave_out, unsent_of
from astrum_worker.running.blobs import BlobCache
from astrum_worker.running.catalog import Served
from astrum_worker.running.claim_reader import Runnable

logger = logging.getLogger("astrum.worker")

_ABSENT = object()


async def decode_arguments(
    message: TaskMessage, served: Served, blobs: BlobCache, aside: Aside
) -> dict[str | int, Any]:
    """Return the arguments of an attempt; fetches references, decodes large values in a thread.

    Raises `TransportError` kinds, and `StoreError` or `RunNotFoundError` for a value that is gone.
    """
    if message.arguments == NO_ARGUMENTS:
        return {}
    arguments: dict[str | int, Any] = {}
    for parameter, data in unpack_arguments(message.arguments).items():
        ref = reference_of(data)
        if ref is not None:
            blob = await blobs.get(message.run_id, ref.digest)
            read = partial(_decoded_part, blobs, blob, ref, served, parameter)
            part = await aside.run(read)
            if part is not _ABSENT:  # if absent, the default value is used
                arguments[parameter] = part
        elif inflated_bytes(data) > LARGE_BYTES:
            arguments[parameter] = await aside.run(partial(served.codec.decode, data))
        else:
            arguments[parameter] = served.codec.decode(data)
    return arguments


def _decoded_part(
    blobs: BlobCache, blob: bytes, ref: BlobRef, served: Served, parameter: str | int
) -> Any:
    part = _part(blobs, blob, ref, served, parameter)
    return _ABSENT if part is None else served.codec.decode(part)


def _part(
    blobs: BlobCache, blob: bytes, ref: BlobRef, served: Served, parameter: str | int
) -> bytes | None:
    """Return the referenced part of a value; `None` if it is optional and absent."""
    try:
        return blobs.part(ref, blob)
    except LocateError as error:
        if error.is_absent and parameter in served.task.inputs.defaults:
            return None
        bindings = served.task.inputs.bindings
        unknown = Binding(parameter, "")
        binding = next((b for b in bindings if b.parameter == parameter), unknown)
        raise binding_error(served.task.task_id, binding, error) from None


def encode_result(
    value: Any, served: Served, name: str = "", /, *, inline_bytes: int, max_bytes: int
) -> EncodedResult:
    """Encode what a task, or the child ``name`` of it, returned.

    Raises `EncodeError` or `PayloadTooLargeError`. A result that cannot be encoded is left out if
    no task reads it: the task has had its effect.
    """
    name = name or served.task.task_id
    data = encode_or_leave_out(served.codec.encode, value, is_wanted=served.is_wanted)
    unsent = unsent_of(data)
    if unsent is not None:
        logger.warning("task %r: its result is left out of the report: %s", name, unsent.reason)
    return pack_result(name, data, inline_bytes=inline_bytes, max_bytes=max_bytes)


def observe_and_encode(
    value: Any, runnable: Runnable, name: str, *, inline_bytes: int, max_bytes: int
) -> tuple[tuple[int, ...], EncodedResult]:
    """Return what is seen of a result, and its encoded form.

    Raises `ObservationError` for a result without what its run depends on, and as `encode_result`.
    """
    watches = runnable.message.watches
    seen = observe(value, watches, name) if watches else ()
    limits = {"inline_bytes": inline_bytes, "max_bytes": max_bytes}
    return seen, encode_result(value, runnable.served, name, **limits)
