"""Failures of attempts as data: an exception is never rebuilt from the wire."""

from __future__ import annotations

from typing import NamedTuple

from astrum.machine.exception_text import (
    message_of,
    notes_of,
    traceback_of,
    type_names,
)

VANISHED = "astrum.MessageVanished"
QUARANTINED = "astrum.Quarantined"
UNSERVED = "astrum.NoWorkerServes"
HANDED_BACK_TOO_OFTEN = "astrum.HandedBackTooOften"
TIMED_OUT = "astrum.TimedOut"
LOST = "astrum.WorkerLost"
MISFIT = "astrum.ListDoesNotFit"
RELEASED = "astrum.ReleasedAsFailed"
RESOURCE_FAILED = "astrum.ResourceFailed"
UNDECODABLE = "astrum.Undecodable"
UNDESCRIBED = "astrum.Undescribed"
NOT_DESCRIBED = "the attempt is over, but how it ended could not be recorded; see the log"


class Failure(NamedTuple):
    """The reason why an attempt did not succeed.

    ``types`` holds the qualified names of the exception's class and all its bases, most derived
    first (Astrum's own reasons have one name, such as ``astrum.TimedOut``).
    """

    types: tuple[str, ...]
    message: str
    traceback: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def from_exception(cls, error: BaseException) -> Failure:
        """Describe ``error``; long strings are shortened in the middle.

        Raises nothing, even if the exception's class misbehaves.
        """
        return cls(type_names(error), message_of(error), traceback_of(error), notes_of(error))

    @classmethod
    def from_cancellation(cls, error: BaseException) -> Failure:
        """Describe a cancellation that Astrum did not ask for.

        To a retry policy it is an ordinary exception: the task was stopped by its own code, or by
        that of a library.
        """
        failure = cls.from_exception(error)
        why = "cancelled by the task's own code or a library, not by Astrum"
        message = f"{failure.message} ({why})" if failure.message else why
        types = (*failure.types[:1], "builtins.Exception", *failure.types[1:])
        return failure._replace(types=types, message=message)

    @property
    def type_name(self) -> str:
        """The class name without its module, as a traceback's last line has it."""
        return self.types[0].rpartition(".")[2] if self.types else "Error"

    @property
    def summary(self) -> str:
        """One line for reports: ``ValueError: no such row``."""
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


def blocking_text(seconds: float, where: str, *, at_least: bool = False) -> str:
    """Return the message that an attempt blocked the event loop it ran in.

    >>> blocking_text(14.2, "pdf.py:88 in parse")
    'blocked the event loop for 14.2 s at pdf.py:88 in parse'
    """
    return f"blocked the event loop for {'more than ' * at_least}{seconds:.1f} s at {where}"
