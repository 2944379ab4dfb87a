"""Reads parts of encoded values that are read often: each is inflated and walked once."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Hashable

from astrum.data_transport.bindings import Path
from astrum.values.map_keys import UNEQUAL, encoded_key, is_loose, plain_key
from astrum.values.projection import Places, opened, part_of, project
from astrum.values.walk import Item, entries, offsets

_SMALL_BYTES = 2 * 1024
"""Walking this much takes no longer than a look-up in an index."""
_FEW_ENTRIES = 16
_ENTRY_BYTES = 200
"""The approximate size of an entry in the index of a map."""


class Projector:
    """Projects values by a name, and keeps indexes of those that were read last.

    They take about ``limit_bytes`` at most (``size_bytes`` now), not counting the value that was
    read last. For one thread at a time.
    """

    def __init__(self, limit_bytes: int = 32 * 1024 * 1024) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Hashable, _Opened] = OrderedDict()
        self.size_bytes = 0

    def project(self, name: Hashable, data: bytes, path: Path) -> bytes:
        """Return and raise as `astrum.values.projection.project`."""
        if not path or len(data) < _SMALL_BYTES:
            return project(data, path)
        known = self._kept.get(name)
        if known is None or known.source is not data:
            self._forget(name)
            known = self._kept[name] = _Opened(data)
            self.size_bytes += known.size_bytes
        self._kept.move_to_end(name)
        before = known.size_bytes
        try:
            return known.part(path)
        finally:
            self.size_bytes += known.size_bytes - before
            while len(self._kept) > 1 and self.size_bytes > self._limit_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, name: Hashable) -> None:
        known = self._kept.pop(name, None)
        if known is not None:
            self.size_bytes -= known.size_bytes


class _Opened:
    """One value, inflated, with an index of the containers that were read twice."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._data = opened(source)
        self._places = _Indexed()

    @property
    def size_bytes(self) -> int:
        return len(self._data) + self._places.size_bytes

    def part(self, path: Path) -> bytes:
        return part_of(self._data, path, self._places)


class _Indexed(Places):
    """Finds parts in an index that is made when a container of some size is read again."""

    def __init__(self) -> None:
        self._read_once: set[int] = set()
        self._maps: dict[int, dict[object, tuple[int, int]]] = {}
        self._offsets: dict[int, array[int]] = {}
        self.size_bytes = 0

    def by_key(self, data: bytes, item: Item, locator: str | int) -> tuple[int, int] | None:
        index = self._maps.get(item.start)
        if index is None:
            if not self._is_worth_it(item):
                return super().by_key(data, item, locator)
            index = self._maps[item.start] = _index_of(data, item)
            self.size_bytes += _ENTRY_BYTES * len(index)
        found = index.get(encoded_key(locator))
        return found if found is not None else index.get(locator)

    def by_index(self, data: bytes, item: Item, index: int) -> tuple[int, int]:
        places = self._offsets.get(item.start)
        if places is None:
            if not self._is_worth_it(item):
                return super().by_index(data, item, index)
            places = self._offsets[item.start] = offsets(data, item)
            self.size_bytes += places.itemsize * len(places)
        return places[index], places[index + 1]

    def _is_worth_it(self, item: Item) -> bool:
        if item.size < _FEW_ENTRIES or item.start in self._read_once:
            return item.size >= _FEW_ENTRIES
        self._read_once.add(item.start)
        return False


def _index_of(data: bytes, item: Item) -> dict[object, tuple[int, int]]:
    """Return the places of a map's values: by the bytes of its keys, and by what keys equal."""
    index: dict[object, tuple[int, int]] = {}
    for start, middle, end in entries(data, item):
        key = data[start:middle]
        index.setdefault(key, (middle, end))
        if is_loose(data, start) and (plain := plain_key(key)) is not UNEQUAL:
            index.setdefault(plain, (middle, end))
    return index
