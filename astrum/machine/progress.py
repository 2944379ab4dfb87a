"""How far an attempt is, as its task tells: for eyes only, and gone with the attempt."""

from __future__ import annotations

import math
from typing import NamedTuple

MAX_TEXT_CHARS = 200


class Progress(NamedTuple):
    """The last progress of a task: how much is ``done`` of ``total`` (`None`: not known).

    ``text`` is one line about it.
    """

    done: float
    total: float | None = None
    text: str = ""

    @classmethod
    def checked(cls, done: float, total: float | None, text: str) -> Progress:
        """Return the progress, its text cut; raises ``TypeError`` or ``ValueError``."""
        if not isinstance(text, str):
            raise TypeError(f"the text of a progress must be a string, got {text!r}")
        told = None if total is None else _amount("total", total)
        return cls(_amount("done", done), told, text[:MAX_TEXT_CHARS])

    def __str__(self) -> str:
        """One line for people.

        >>> str(Progress(340, 1200, "reading")), str(Progress(0.5)), str(Progress(3, 0))
        ('340 of 1,200 (28 %), reading', '0.5 done', '3 of 0')
        """
        line = f"{_number(self.done)} done"
        if self.total is not None:
            line = f"{_number(self.done)} of {_number(self.total)}"
            line += f" ({self.done / self.total:.0%})".replace("%", " %") if self.total else ""
        return f"{line}, {self.text}" if self.text else line


def _amount(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number that is not negative, got {value!r}")
    return float(value)


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}"
