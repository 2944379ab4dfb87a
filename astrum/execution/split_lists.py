"""Keeps the lists of which children read elements, each split once."""

from __future__ import annotations

from collections.abc import Hashable

from astrum.values.lists import EncodedList

_LIMIT_BYTES = 64 * 1024 * 1024


class KeptList:
    """A list that is split, and how often an element of it will be read yet."""

    __slots__ = ("items", "key", "left")

    def __init__(self, key: Hashable, items: EncodedList, left: int) -> None:
        self.key = key
        self.items = items
        self.left = left


class SplitLists:
    """Lists that are split, each for as long as elements of it will be read.

    They take about 64 MiB at most, or what a single one takes. What was dropped too early is
    split again.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, KeptList] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> KeptList | None:
        """Return a list that is kept."""
        return self._kept.get(key)

    def use(self, kept: KeptList) -> None:
        """Note that an element of a list was read; drop the list if it was the last one."""
        kept.left -= 1
        if kept.left <= 0 and kept.key in self._kept:
            self._drop(kept.key)

    def add(self, key: Hashable, items: EncodedList, uses: int) -> None:
        """Keep a list that is used now, for all its other uses."""
        if uses <= 1:
            return
        self._kept[key] = KeptList(key, items, uses - 1)
        self.size_bytes += items.size_bytes
        while self.size_bytes > _LIMIT_BYTES and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        self.size_bytes -= self._kept.pop(key).items.size_bytes
