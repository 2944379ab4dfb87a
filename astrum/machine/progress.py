"""How far an attempt is, as its task tells: for eyes only, and gone with the attempt."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

MAX_TEXT_CHARS = 200


class Progress(NamedTuple):
    """The last progress of a task: how much is ``done`` of ``total`` (`None`: not known).

    ``text`` is one line about it.
    """

    done: float
    total: float | None = None
    text: str = ""

    @classmethod
    def checked(cls, done: Any, total: Any, text: Any) -> Progress:
        """Return the progress, its text cut; raises ``ValueError`` that says what is wrong.

        Any number will do that becomes a float: of numpy, a `Decimal`.
        """
        if not isinstance(text, str):
            raise ValueError(f"its text is a {type(text).__name__}, not a string")
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


def _amount(name: str, value: Any) -> float:
    if value is None or isinstance(value, (bool, str, bytes)):
        raise ValueError(f"{name} is a {type(value).__name__}, not a number")
    try:
        amount = float(value)
    except Exception:  # the class may be the user's
        raise ValueError(f"{name} is a {type(value).__name__}, not a number") from None
    if not 0 <= amount < math.inf:
        raise ValueError(f"{name} is {amount:g}, not a finite number from 0 on")
    return amount


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}"
