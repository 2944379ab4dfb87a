"""The message with which a coordinator sends an attempt to a worker."""

from __future__ import annotations

import math
from types import NoneType
from typing import Any, NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.planning.axes import Watch
from astrum.protocol.keys import is_run_id
from astrum.protocol.rows import PROTOCOL_VERSION, trimmed, with_optional
from astrum.values.unpacking import unpack

_CHILD_VERSION = 3
"""For messages with an index or with watches, which no reader may ignore: workers that know only
version 2 hand the attempt back."""
MESSAGE_VERSIONS = (PROTOCOL_VERSION, _CHILD_VERSION)


class TaskMessage(NamedTuple):
    """One dispatched attempt.

    ``attempt`` is the fence; ``try_number`` counts only the attempts that began. ``max_retries``
    is for ``current_attempt()``. ``exclusive``: it runs alone on its worker. ``arguments`` is
    made by `astrum.values.arguments.pack_arguments`.

    ``versions`` says which code may run it (`astrum.planning.VERSION_POLICIES`; "": compatible
    code). ``child_index`` and ``child_key`` say which child of a task it is: its place on each
    axis, and what is in the brackets of its name if that is not the index. ``watches`` are what
    to observe of the result and report in `Record.seen`. ``trace`` is the W3C ``traceparent`` that
    it belongs to.
    Nothing reads ``limits`` and ``priority`` yet: they are room in the format.
    """

    run_id: str
    task: int
    attempt: int
    try_number: int
    namespace: str
    task_id: str
    fingerprint: str
    max_retries: int
    timeout_s: float | None
    check_types: bool
    exclusive: bool
    arguments: bytes
    child_index: tuple[int, ...] = ()
    child_key: str = ""
    watches: tuple[Watch, ...] = ()
    limits: tuple[str, ...] = ()
    priority: int = 0
    versions: str = ""
    trace: str = ""


def encode_message(message: TaskMessage) -> bytes:
    """Return the bytes of a task message."""
    row = trimmed(message, _MESSAGE_DEFAULTS)
    version = _CHILD_VERSION if message.child_index or message.watches else PROTOCOL_VERSION
    if version == PROTOCOL_VERSION and len(row) > _INDEX:
        row = (*row[:_INDEX], _NO_CHILD, *row[_INDEX + 1 :])
    packed: bytes = msgpack.packb((version, *row))
    return packed


def decode_message(data: bytes) -> TaskMessage:
    """Read a task message; raises `DecodeError` for anything else, naming what is wrong."""
    fields = unpack(data)
    if not isinstance(fields, list) or not fields:
        raise DecodeError("a task message must be a msgpack array")
    version = fields.pop(0)
    if type(version) is not int or version not in MESSAGE_VERSIONS:
        raise DecodeError(
            f"the message has protocol version {version!r}, this process speaks "
            f"{PROTOCOL_VERSION}: run the same Astrum version on all hosts"
        )
    del fields[len(TaskMessage._fields) :]
    if tuple(map(type, fields)) not in _MESSAGE_TYPES[version] or not is_run_id(fields[0]):
        raise DecodeError("a task message has fields of the wrong number or type")
    if len(fields) > _INDEX:
        _read_child(fields, version)
    message = TaskMessage(*fields)
    if message.timeout_s is not None and not 0 < message.timeout_s < math.inf:
        # One NaN among a loop's timers puts all of them out of order.
        raise DecodeError(f"a task message has the time limit {message.timeout_s!r}")
    return message


def _read_child(fields: list[Any], version: int) -> None:
    """Turn the fields from the index on to what a `TaskMessage` holds."""
    is_child = version == _CHILD_VERSION
    fields[_INDEX] = _numbers(fields[_INDEX]) if is_child else ()
    if len(fields) > _WATCHES:
        fields[_WATCHES] = tuple(map(_watch, fields[_WATCHES])) if is_child else ()
    for names in fields[_LIMITS : _LIMITS + 1]:
        if not all(type(name) is str for name in names):
            raise DecodeError("a task message has a limit whose name is not a string")
        fields[_LIMITS] = tuple(names)


def _numbers(row: list[Any]) -> tuple[int, ...]:
    if not all(type(number) is int and number >= 0 for number in row):
        raise DecodeError("a task message has an index that is not one of a child")
    return tuple(row)


def _watch(row: Any) -> Watch:
    """Return what is to be observed; a kind that is not known is refused where it is observed."""
    if type(row) is list and len(row) >= len(Watch._fields):
        kind, path, choices, key, *_ = row
        if type(kind) is str and _is_path(path) and _are_choices(choices):
            if key is None:
                return Watch(kind, tuple(path), tuple(choices))  # type: ignore[arg-type]
            if _is_path(key):
                return Watch(kind, tuple(path), tuple(choices), tuple(key))  # type: ignore[arg-type]
    raise DecodeError("a task message watches something that cannot be observed")


def _is_path(row: Any) -> bool:
    return type(row) is list and {*map(type, row)} <= {str, int}


def _are_choices(row: Any) -> bool:
    return type(row) is list and {*map(type, row)} <= {str, int, bool, NoneType}


_NO_CHILD = -1
"""Stands in messages of version 2 for the index."""
_INDEX = TaskMessage._fields.index("child_index")
_WATCHES = TaskMessage._fields.index("watches")
_LIMITS = TaskMessage._fields.index("limits")
_MESSAGE_DEFAULTS = tuple(TaskMessage._field_defaults.values())
_MESSAGE_TYPES = {
    version: with_optional(
        [
            (str, int, int, int, str, str, str, int, timeout, bool, bool, bytes)
            for timeout in (NoneType, int, float)
        ],
        (index, str, list, list, int, str, str),
    )
    for version, index in ((PROTOCOL_VERSION, int), (_CHILD_VERSION, list))
}
"""The types of the fields of a `TaskMessage`, by version."""


def attribute(data: bytes) -> tuple[int, str, int, int] | None:
    """Return version, run id, task and attempt of a message whose rest may be damaged or cut."""
    reader = msgpack.Unpacker(strict_map_key=True, max_buffer_size=max(len(data), 1))
    try:
        reader.feed(data)
        if reader.read_array_header() < 4:
            return None
        version, run_id, task, attempt = (reader.unpack() for _ in range(4))
    except Exception:  # msgpack raises many kinds for hostile bytes
        return None
    numbers = (version, task, attempt)
    if type(run_id) is not str or not is_run_id(run_id):
        return None
    if any(type(number) is not int for number in numbers):
        return None
    return version, run_id, task, attempt
