"""How an attempt failed, as data: an exception is never rebuilt from the wire."""

from __future__ import annotations

import traceback
from typing import NamedTuple

from astrum.planning.retry_policy import qualified_name

MAX_TRACEBACK_CHARS = 16_000
MAX_MESSAGE_CHARS = 4_000
MAX_NOTES = 20
VANISHED = "astrum.MessageVanished"
QUARANTINED = "astrum.Quarantined"
UNSERVED = "astrum.NoWorkerServes"
TIMED_OUT = "astrum.TimedOut"
LOST = "astrum.WorkerLost"
UNDECODABLE = "astrum.Undecodable"


class Failure(NamedTuple):
    """Why an attempt did not succeed.

    ``types`` holds the qualified names of the exception's class and all its bases, most derived
    first (Astrum's own reasons have one name, such as ``astrum.TimedOut``).
    """

    types: tuple[str, ...]
    message: str
    traceback: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def from_exception(cls, error: BaseException) -> Failure:
        """Describe ``error``; texts are cut to a bounded length, the middle is left out."""
        lines = traceback.format_exception(error)
        return cls(
            types=tuple(qualified_name(base) for base in type(error).__mro__[:-1]),
            message=cut(_text_of(error), MAX_MESSAGE_CHARS),
            traceback=cut("".join(lines), MAX_TRACEBACK_CHARS),
            notes=_notes_of(error),
        )

    @property
    def type_name(self) -> str:
        """The class name without its module, as a traceback's last line has it."""
        return self.types[0].rpartition(".")[2] if self.types else "Error"

    @property
    def summary(self) -> str:
        """One line for reports: ``ValueError: no such row``."""
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


def blocking_text(seconds: float, where: str, *, at_least: bool = False) -> str:
    """Say that an attempt blocked the event loop it ran in.

    >>> blocking_text(14.2, "pdf.py:88 in parse")
    'blocked the event loop for 14.2 s at pdf.py:88 in parse'
    """
    return f"blocked the event loop for {'more than ' * at_least}{seconds:.1f} s at {where}"


def _notes_of(error: BaseException) -> tuple[str, ...]:
    notes = getattr(error, "__notes__", ())
    if not isinstance(notes, (list, tuple)):  # anybody may set it to anything
        return ()
    return tuple(cut(_text_of(note), MAX_MESSAGE_CHARS) for note in notes[:MAX_NOTES])


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as broken:  # the user's __str__ may raise anything
        return f"<its __str__ raised {type(broken).__name__}>"


def cut(text: str, limit: int) -> str:
    """Shorten ``text`` to about ``limit`` characters, keeping its start and its end.

    >>> cut("abcdefghij", 4)
    'ab\\n... 6 characters left out ...\\nij'
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"
