"""A table of texts, each of which a column names by its number."""

from __future__ import annotations


class Strings:
    """Texts by number; number 0 is "". ``all`` has them in order."""

    def __init__(self) -> None:
        self._numbers = {"": 0}

    def add(self, text: str) -> int:
        """Return the number of ``text``, which is added if it is new."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def all(self) -> list[str]:
        """All texts so far."""
        return list(self._numbers)
