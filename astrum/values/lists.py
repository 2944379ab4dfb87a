"""Encoded lists as a whole: cut into their items, and joined from them; nothing is decoded."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgpack

from astrum.data_transport.bindings import Path
from astrum.errors import DecodeError
from astrum.values.codes import Code, ext_header
from astrum.values.projection import array_in, opened, part_of
from astrum.values.walk import check_complete, offsets

ABSENT_ITEM: Final = bytes((0xC7, 0, Code.ABSENT))
"""The encoded `astrum.data_transport.absent.ABSENT`."""


@dataclass(frozen=True, slots=True)
class EncodedList:
    """The items of an encoded list: number ``n`` is ``data[offsets[n] : offsets[n + 1]]``."""

    data: bytes
    offsets: array[int]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> bytes:
        offsets = self.offsets
        if not 0 <= number < len(offsets) - 1:
            raise IndexError(f"there is no item {number} in a list of length {len(self)}")
        return self.data[offsets[number] : offsets[number + 1]]

    def __iter__(self) -> Iterator[bytes]:
        return (self.data[start:end] for start, end in pairwise(self.offsets))

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return len(self.data) + self.offsets.itemsize * len(self.offsets)


def list_length(data: bytes, path: Path = ()) -> int:
    """Return the length of the list or tuple that ``path`` leads to in an encoded value.

    Raises `NotAListError` for another kind of value, and else as `project`.

    >>> list_length(msgpack.packb({"rows": [7, "x"]}), ("rows",))
    2
    """
    return array_in(part_of(opened(data), path)).size


def split(data: bytes, path: Path = ()) -> EncodedList:
    """Find all items of the list or tuple that ``path`` leads to in an encoded value, in one pass.

    Item ``n`` is what `project` gives for ``(*path, n)``. Raises as `list_length`.

    >>> split(msgpack.packb([7, "x"]))[1] == msgpack.packb("x")
    True
    """
    part = part_of(opened(data), path)
    return EncodedList(part, offsets(part, array_in(part)))


def same_items(old: EncodedList, new: EncodedList, *, by_place: bool) -> dict[int, int]:
    """Return the numbers of the new items that have equal bytes in the old list, and those there.

    With ``by_place`` only an item at the same number counts; else any, each for one new item.

    >>> old, new = split(msgpack.packb(["a", "b"])), split(msgpack.packb(["b", "b", "a"]))
    >>> same_items(old, new, by_place=False), same_items(old, new, by_place=True)
    ({0: 1, 2: 0}, {1: 1})
    """
    if by_place:
        pairs = enumerate(zip(old, new, strict=False))
        return {number: number for number, (one, other) in pairs if one == other}
    free: dict[bytes, list[int]] = {}
    for number in range(len(old) - 1, -1, -1):  # so that the first one is used first
        free.setdefault(old[number], []).append(number)
    return {number: free[item].pop() for number, item in enumerate(new) if free.get(item)}


def join(items: Sequence[bytes | None]) -> bytes:
    """Return the encoded list of encoded values, compressed or not; `None` gives `ABSENT`.

    Raises `UnprojectableError` for a reference, which is to be fetched before, and `DecodeError`
    for bytes that are not an encoded value.

    >>> list(split(join([b"\\x07", None]))) == [b"\\x07", ABSENT_ITEM]
    True
    """
    inner = [ABSENT_ITEM if item is None else _inner(item) for item in items]
    header: bytes = msgpack.Packer().pack_array_header(len(inner))
    data = b"".join([header, *inner])
    try:
        check_complete(data)  # once for all: for each item it would take longer than the rest
    except DecodeError:
        _check_each(inner)
        raise
    return data


def _inner(item: bytes) -> bytes:
    """Return an encoded value as it stands inside of another one."""
    return item if ext_header(item) is None else opened(item)


def _check_each(items: Sequence[bytes]) -> None:
    for number, item in enumerate(items):
        try:
            check_complete(item)
        except DecodeError as error:
            raise DecodeError(f"item {number}: {error}") from None
