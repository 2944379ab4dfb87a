"""Cuts parts out of an encoded value: the rest is skipped, nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

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
from astrum.errors import DecodeError, LocateError, NotAListError, TransportError
from astrum.values.codes import Code
from astrum.values.compression import inflate
from astrum.values.map_keys import code_name, encoded_key, is_loose, plain_key, unpacked
from astrum.values.references import reference_of
from astrum.values.unsent import refuse_unsent
from astrum.values.walk import CUT_SHORT, Item, Kind, ends_from, entries, item_at

_SHOWN_KEY_BYTES = MAX_SHOWN_KEY + 5  # with the longest header
_MAPPINGS: dict[int, str] = {
    Code.ORDERED_DICT: "OrderedDict",
    Code.COUNTER: "Counter",
    Code.DEFAULT_DICT: "defaultdict",
}
_NIL = 0xC0
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


class UnprojectableError(TransportError):
    """The value is a reference to one that is stored elsewhere: fetch it, then project it."""


def project(data: bytes, path: Path) -> bytes:
    """Return the encoded part of the encoded value ``data`` that ``path`` leads to.

    A string finds a dict's key or the field of a dataclass, NamedTuple or model; a number finds a
    dict's key or a place in a list, tuple or NamedTuple (from the end if negative). Properties and
    methods are not fields. ``()`` returns ``data`` unchanged.

    Raises `LocateError` if there is no such part, `UnprojectableError` for a reference and
    `DecodeError` for bytes that are not an encoded value.

    >>> import msgpack
    >>> project(msgpack.packb({"rows": [{"id": 7}]}), ("rows", -1, "id"))
    b'\\x07'
    """
    return part_of(opened(data), path) if path else data


def opened(data: bytes) -> bytes:
    """Return a value's bytes in a form that can be walked; raises kinds of `TransportError`."""
    if reference_of(data) is not None:
        raise UnprojectableError("the value is stored elsewhere; fetch it, then project it")
    refuse_unsent(data)
    return inflate(data)


def array_in(data: bytes) -> Item:
    """Return the list or tuple that an opened value is, of which only the header is read.

    Raises `NotAListError` for another kind of value.
    """
    item = _container(data, 0)
    if item.kind is not Kind.ARRAY:
        raise NotAListError(_description(data, 0))
    if item.size > len(data) - item.start:
        raise DecodeError(CUT_SHORT)
    return item


class Places:
    """Finds the entries of a container by walking it from its start."""

    def by_key(self, data: bytes, item: Item, locator: str | int) -> tuple[int, int] | None:
        """Return where a map's value starts and ends."""
        wanted = encoded_key(locator)
        size = len(wanted)
        for start, middle, end in entries(data, item):
            if middle - start == size and data[start:middle] == wanted:
                return middle, end
            if is_loose(data, start) and plain_key(data[start:middle]) == locator:
                return middle, end
        return None

    def by_index(self, data: bytes, item: Item, index: int) -> tuple[int, int]:
        """Return where an array's item starts and ends."""
        next_end = ends_from(data, item.start)
        start = item.start
        for _ in range(index):
            start = next_end()
        return start, next_end()


_PLACES = Places()


def part_of(data: bytes, path: Path, places: Places = _PLACES) -> bytes:
    """Return the part of an opened value; raises as `project`."""
    start, end = 0, len(data)
    for locator in path:
        start, end = _place_of_part(data, start, locator, places)
    return data[start:end]


def _place_of_part(data: bytes, at: int, locator: str | int, places: Places) -> tuple[int, int]:
    """Return where the part of the item at ``at`` that ``locator`` names starts and ends."""
    item = _container(data, at)
    if item.kind is Kind.MAP:
        found = places.by_key(data, item, locator)
    elif item.kind is Kind.ARRAY and isinstance(locator, int):
        index = locator + item.size if locator < 0 else locator
        found = places.by_index(data, item, index) if 0 <= index < item.size else None
    elif item.kind is Kind.EXT and item.code in _WITH_FIELDS:
        found = _by_field(data, item, locator)
    else:
        found = None
    if found is None:
        advice = "" if item.code in _PLAIN else fields_advice(locator)
        may_have = _may_have(data[at], item, locator)
        raise LocateError(locator, _description(data, at) + advice, is_absent=may_have)
    return found


def _may_have(first_byte: int, item: Item, locator: str | int) -> bool:
    """Return whether an item of this kind may have such a part, as `locate` does."""
    if first_byte == _NIL or item.kind is Kind.MAP:
        return True
    if isinstance(locator, int):
        return item.kind is Kind.ARRAY or item.code == Code.NAMED_TUPLE
    return item.kind is Kind.EXT and item.code in _WITH_FIELDS


def _container(data: bytes, at: int) -> Item:
    """Return the item at ``at``; for an extension item that wraps a list or dict, that one."""
    item = item_at(data, at)
    if item.code == Code.DEFAULT_DICT:
        return item_at(data, ends_from(data, item_at(data, item.start).start)())
    if item.code == Code.TUPLE or item.code in _MAPPINGS:
        return item_at(data, item.start)
    return item


def _by_field(data: bytes, item: Item, locator: str | int) -> tuple[int, int] | None:
    maps = list(_field_maps(data, item))
    if isinstance(locator, str):
        found = (_PLACES.by_key(data, fields, locator) for fields in maps)
        return next((part for part in found if part is not None), None)
    if item.code != Code.NAMED_TUPLE or not maps:
        return None
    index = locator + maps[0].size if locator < 0 else locator
    values = (entry[1:] for entry in entries(data, maps[0]))
    return next(islice(values, index, None), None) if index >= 0 else None


def _field_maps(data: bytes, item: Item) -> Iterator[Item]:
    """Yield the maps in a named value's payload: its fields, then its other attributes."""
    parts = item_at(data, item.start)
    next_end = ends_from(data, parts.start)
    start = parts.start
    for _ in range(parts.size):
        part = item_at(data, start)
        if part.kind is Kind.MAP:
            yield part
        start = next_end()


def _description(data: bytes, at: int) -> str:
    """Describe the item at ``at`` and its parts, as `LocateError` shows it."""
    outer = item_at(data, at)
    item = _container(data, at)
    if item.kind is Kind.MAP:
        return _with_names(data, _MAPPINGS.get(outer.code, "dict"), "key", [item])
    if item.kind is Kind.ARRAY:
        return with_length("tuple" if outer.code == Code.TUPLE else "list", item.size)
    if item.kind is Kind.SCALAR:
        return _scalar(data, at)
    if item.code in (Code.SET, Code.FROZENSET):
        return without_order(code_name(item.code), item_at(data, item.start).size)
    if item.code not in _NAMED:
        return with_article(code_name(item.code))
    parts = item_at(data, item.start)
    name = str(unpacked(data[parts.start : ends_from(data, parts.start)()])).rpartition(".")[2]
    if item.code not in _WITH_FIELDS:
        return with_article(name)
    return _with_names(data, name, "field", list(_field_maps(data, item)))


def _scalar(data: bytes, at: int) -> str:
    if 0xC4 <= data[at] <= 0xC6:
        return with_article("bytes")
    if data[at] in (*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB):
        return with_article("str")
    value = unpacked(data[at : ends_from(data, at)()])
    return "None" if value is None else with_article(type(value).__name__)


def _with_names(data: bytes, name: str, word: str, maps: list[Item]) -> str:
    keys = [key for item in maps for key, _, _ in islice(entries(data, item), MAX_SHOWN)]
    shown = [_short(data, key) for key in keys[:MAX_SHOWN]]
    return with_names(name, word, shown, sum(item.size for item in maps))


def _short(data: bytes, start: int) -> str:
    end = ends_from(data, start)()
    return repr(unpacked(data[start:end])) if end - start <= _SHOWN_KEY_BYTES else LONG_KEY
