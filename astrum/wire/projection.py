"""One part of an encoded value, cut out of the bytes: the rest is skipped, nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgpack

from astrum.data_transport.bindings import Path
from astrum.data_transport.locate import (
    LONG_KEY,
    MAX_SHOWN,
    MAX_SHOWN_KEY,
    fields_advice,
    with_article,
    with_length,
    with_names,
    without_order,
)
from astrum.errors import DecodeError, LocateError, TransportError
from astrum.wire.codes import Code
from astrum.wire.compression import inflate
from astrum.wire.references import reference_of
from astrum.wire.walk import Item, Kind, ends_from, entries, item_at

_SHOWN_KEY_BYTES = MAX_SHOWN_KEY + 5  # with the longest header
_MAPPINGS: dict[int, str] = {
    Code.ORDERED_DICT: "OrderedDict",
    Code.COUNTER: "Counter",
    Code.DEFAULT_DICT: "defaultdict",
}
_TYPE_NAMES: dict[int, str] = {
    Code.BIG_INT: "int",
    Code.DECIMAL: "Decimal",
    Code.UUID: "UUID",
}
_WITH_FIELDS = (Code.DATACLASS, Code.NAMED_TUPLE, Code.MODEL)
_PLAIN = (
    0,
    Code.SET,
    Code.FROZENSET,
    Code.BYTEARRAY,
    Code.BIG_INT,
    Code.COMPLEX,
)
_NAMED = (*_WITH_FIELDS, Code.ENUM, Code.EXTENSION)
_CODES = frozenset(Code)
_OTHER_KEYS = frozenset((0xC2, 0xC3, 0xCA, 0xCB, *range(0xC7, 0xCA), *range(0xD4, 0xD9)))
"""First bytes of keys that may equal a locator without having its bytes."""


class UnprojectableError(TransportError):
    """The value is a reference to one that stands elsewhere: fetch it first, then project it."""


def project(data: bytes, path: Path) -> bytes:
    """Return the encoded part of the encoded value ``data`` that ``path`` leads to.

    A text finds a dict's key or the field of a dataclass, NamedTuple or model; a number finds a
    dict's key or a place in a list, tuple or NamedTuple (from the end if negative). Properties
    and methods are no fields. ``()`` returns ``data`` as it is.

    Raises `LocateError` if there is no such part, `UnprojectableError` for a reference and
    `DecodeError` for bytes that are no encoded value.

    >>> import msgpack
    >>> project(msgpack.packb({"rows": [{"id": 7}]}), ("rows", -1, "id"))
    b'\\x07'
    """
    if not path:
        return data
    if reference_of(data) is not None:
        raise UnprojectableError("the value is stored elsewhere; fetch it, then project it")
    data = inflate(data)
    start, end = 0, len(data)
    for locator in path:
        start, end = _part(data, start, locator)
    return data[start:end]


def _part(data: bytes, at: int, locator: str | int) -> tuple[int, int]:
    """Return where the part of the item at ``at`` that ``locator`` names starts and ends."""
    item = _container(data, at)
    if item.kind is Kind.MAP:
        found = _by_key(data, item, locator)
    elif item.kind is Kind.ARRAY and isinstance(locator, int):
        found = _by_index(data, item, locator)
    elif item.kind is Kind.EXT and item.code in _WITH_FIELDS:
        found = _by_field(data, item, locator)
    else:
        found = None
    if found is None:
        advice = "" if item.code in _PLAIN else fields_advice(locator)
        raise LocateError(locator, _description(data, at) + advice)
    return found


def _container(data: bytes, at: int) -> Item:
    """Return the item at ``at``; for an extension item that is but a list or dict, that."""
    item = item_at(data, at)
    if item.code == Code.DEFAULT_DICT:
        return item_at(data, ends_from(data, item_at(data, item.start).start)())
    if item.code == Code.TUPLE or item.code in _MAPPINGS:
        return item_at(data, item.start)
    return item


def _by_key(data: bytes, item: Item, locator: str | int) -> tuple[int, int] | None:
    wanted = _encoded(locator)
    size = len(wanted)
    for start, middle, end in entries(data, item):
        if middle - start == size and data[start:middle] == wanted:
            return middle, end
        if data[start] in _OTHER_KEYS and _equals(data[start:middle], locator):
            return middle, end
    return None


def _encoded(locator: str | int) -> bytes:
    try:
        encoded: bytes = msgpack.packb(locator)
    except (OverflowError, UnicodeEncodeError):  # keys like these are no plain msgpack either
        return b""
    return encoded


def _equals(key: bytes, locator: str | int) -> bool:
    """Tell whether a bool, a float, a big int or an enum's member equals the locator."""
    item = item_at(key, 0)
    if item.code == Code.ENUM:
        member = _unpacked(key[item.start :])
        if type(member) is not list or len(member) < 2:
            raise DecodeError("the bytes are no encoded value: an enum's member is damaged")
        *_, value, equal = member
        return equal is True and bool(value == locator)
    if item.code == Code.BIG_INT:
        return int.from_bytes(key[item.start :], "big", signed=True) == locator
    return item.kind is Kind.SCALAR and bool(_unpacked(key) == locator)


def _by_index(data: bytes, item: Item, locator: int) -> tuple[int, int] | None:
    index = locator + item.size if locator < 0 else locator
    if not 0 <= index < item.size:
        return None
    next_end = ends_from(data, item.start)
    start = item.start
    for _ in range(index):
        start = next_end()
    return start, next_end()


def _by_field(data: bytes, item: Item, locator: str | int) -> tuple[int, int] | None:
    maps = list(_field_maps(data, item))
    if isinstance(locator, str):
        found = (_by_key(data, fields, locator) for fields in maps)
        return next((part for part in found if part is not None), None)
    if item.code != Code.NAMED_TUPLE or not maps:
        return None
    index = locator + maps[0].size if locator < 0 else locator
    values = (entry[1:] for entry in entries(data, maps[0]))
    return next(islice(values, index, None), None) if index >= 0 else None


def _field_maps(data: bytes, item: Item) -> Iterator[Item]:
    """Yield the maps in a named value's payload: its fields, then what it holds besides."""
    parts = item_at(data, item.start)
    next_end = ends_from(data, parts.start)
    start = parts.start
    for _ in range(parts.size):
        part = item_at(data, start)
        if part.kind is Kind.MAP:
            yield part
        start = next_end()


def _unpacked(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, ext_hook=lambda code, _: _Unnamed(code))
    except Exception as error:  # msgpack raises many kinds for hostile bytes
        raise DecodeError(f"the bytes are no encoded value: {type(error).__name__}") from None


class _Unnamed:
    """What is shown for a key or name that is neither text nor number."""

    def __init__(self, code: int) -> None:
        self._code = code

    def __repr__(self) -> str:
        return f"<{_code_name(self._code)}>"


def _code_name(code: int) -> str:
    if code in _TYPE_NAMES:
        return _TYPE_NAMES[code]
    return Code(code).name.lower().replace("_", " ") if code in _CODES else f"extension {code}"


def _description(data: bytes, at: int) -> str:
    """Tell what the item at ``at`` is and has, as `LocateError` shows it."""
    outer = item_at(data, at)
    item = _container(data, at)
    if item.kind is Kind.MAP:
        return _with_names(data, _MAPPINGS.get(outer.code, "dict"), "key", [item])
    if item.kind is Kind.ARRAY:
        return with_length("tuple" if outer.code == Code.TUPLE else "list", item.size)
    if item.kind is Kind.SCALAR:
        return _scalar(data, at)
    if item.code in (Code.SET, Code.FROZENSET):
        return without_order(_code_name(item.code), item_at(data, item.start).size)
    if item.code not in _NAMED:
        return with_article(_code_name(item.code))
    parts = item_at(data, item.start)
    name = str(_unpacked(data[parts.start : ends_from(data, parts.start)()])).rpartition(".")[2]
    if item.code not in _WITH_FIELDS:
        return with_article(name)
    return _with_names(data, name, "field", list(_field_maps(data, item)))


def _scalar(data: bytes, at: int) -> str:
    if 0xC4 <= data[at] <= 0xC6:
        return with_article("bytes")
    if data[at] in (*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB):
        return with_article("str")
    value = _unpacked(data[at : ends_from(data, at)()])
    return "None" if value is None else with_article(type(value).__name__)


def _with_names(data: bytes, name: str, word: str, maps: list[Item]) -> str:
    keys = [key for item in maps for key, _, _ in islice(entries(data, item), MAX_SHOWN)]
    shown = [_short(data, key) for key in keys[:MAX_SHOWN]]
    return with_names(name, word, shown, sum(item.size for item in maps))


def _short(data: bytes, start: int) -> str:
    end = ends_from(data, start)()
    return repr(_unpacked(data[start:end])) if end - start <= _SHOWN_KEY_BYTES else LONG_KEY
