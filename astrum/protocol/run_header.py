"""What a run was created with: its header, the identity that follows from it, and its record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.planning.priorities import is_priority
from astrum.values.compression import inflate
from astrum.values.references import Blob, digest_of, reference_of
from astrum.values.unpacking import unpack

HEADER_VERSION = 1
NO_INPUTS: Mapping[str, bytes] = {}


class RunHeader(NamedTuple):
    """The flow of a run, the digest of its plan, its inputs and its priority.

    ``inputs`` are the encoded values by name, as in a journal: big ones are references to blobs of
    the run.
    """

    flow: str
    plan_digest: str
    inputs: Mapping[str, bytes] = NO_INPUTS
    priority: int = 0


class StoredPlan(NamedTuple):
    """A plan in the form that the store keeps under its digest."""

    digest: str
    data: bytes


class SeedPart(NamedTuple):
    """Some of a run's seeds: a journal entry, whose tasks they are, and their big values."""

    entry: bytes
    tasks: tuple[int, ...]
    digests: tuple[str, ...] = ()


class StagedSeeds(NamedTuple):
    """The journal entries with seeds that were written for a run, under a token; "": none."""

    token: str = ""
    entries: int = 0


class NewRun(NamedTuple):
    """A run to create. ``header`` is sealed; ``blobs`` are its big inputs.

    It waits until ``start_at``, in seconds since the epoch (0: it begins at once).
    ``wakes``: one of the processes that serve leads it, else its creator does.
    ``published`` are the name and the record of the flow, which must still be published like that;
    without a record it is not asked. ``seeds`` were written before: its journal begins with them.
    """

    run_id: str
    plan_digest: str
    header: bytes
    identity: str
    details: Mapping[str, str] = {}
    blobs: tuple[Blob, ...] = ()
    start_at: float = 0.0
    wakes: bool = True
    published: tuple[str, bytes] = ("", b"")
    seeds: StagedSeeds = StagedSeeds()


def plan_digest(data: bytes) -> str:
    """Return the digest of a plan in its stored form, so that another key makes another plan."""
    return digest_of(data)


def encode_header(header: RunHeader) -> bytes:
    """Return a header as bytes, its inputs sorted by name."""
    inputs = sorted(header.inputs.items())
    fields = (HEADER_VERSION, header.flow, header.plan_digest, inputs, header.priority)
    data: bytes = msgpack.packb(fields)
    return data


def decode_header(data: bytes) -> RunHeader:
    """Read a header; raises `DecodeError` for bytes that are not one."""
    fields = unpack(data)
    if not isinstance(fields, list) or not fields:
        raise DecodeError("the header of a run is not a list of fields")
    if fields[0] != HEADER_VERSION:
        raise DecodeError(
            f"the header of a run has version {fields[0]!r}, this process reads {HEADER_VERSION}"
        )
    try:
        _, flow, digest, inputs, priority, *_ = fields
        values = dict(inputs)
    except (TypeError, ValueError):
        raise DecodeError("the header of a run has missing or damaged fields") from None
    header = RunHeader(flow, digest, values, priority)
    if not _is_sound(header):
        raise DecodeError("the header of a run has fields of other types")
    return header


def _is_sound(header: RunHeader) -> bool:
    texts = (header.flow, header.plan_digest, *header.inputs)
    return (
        all(type(text) is str for text in texts)
        and all(type(value) is bytes for value in header.inputs.values())
        and is_priority(header.priority)
    )


def identity_of(flow: str, inputs: Mapping[str, bytes]) -> str:
    """Return what two submissions of one run have in common: the flow and the inputs' values.

    The order of a map's keys does not count. The plan and the priority are not part of it.
    """
    rows = [(name, _canonical(value)) for name, value in sorted(inputs.items())]
    return hashlib.blake2b(msgpack.packb((flow, rows)), digest_size=16).hexdigest()


def differences(old: RunHeader, new: RunHeader) -> str:
    """Return how the identities of two runs differ, for people; "" if they do not."""
    if old.flow != new.flow:
        return f"of flow {old.flow!r}"
    names = [
        name
        for name in sorted({*old.inputs, *new.inputs})
        if _canonical(old.inputs.get(name)) != _canonical(new.inputs.get(name))
    ]
    return f"with another {', '.join(map(repr, names))}" if names else ""


def is_same_value(one: bytes, other: bytes) -> bool:
    """Return whether two encoded values are equal, whatever the order of a map's keys."""
    return one == other or _canonical(one) == _canonical(other)


def _canonical(value: bytes | None) -> bytes:
    if not value or reference_of(value) is not None:
        return value or b""
    data = inflate(value)
    try:
        decoded = msgpack.unpackb(data, object_pairs_hook=_sorted_pairs, strict_map_key=False)
    except ValueError:  # nested too deep for a rebuild: it counts as it is
        return data
    packed: bytes = msgpack.packb(decoded)
    return packed


def _sorted_pairs(pairs: Iterable[tuple[Any, Any]]) -> msgpack.ExtType:
    """Return a map as one packed item; an ext type no value has keeps it apart from a list."""
    rows = sorted((msgpack.packb(key), msgpack.packb(value)) for key, value in pairs)
    return msgpack.ExtType(127, msgpack.packb(rows))
