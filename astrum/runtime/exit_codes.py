"""The exit codes of all commands; ``docs/exit-codes.md`` is the same table for people.

`ExitCode` has the numbers, `exit_code_of` maps errors to them, `after_signal` maps signals.
"""

from __future__ import annotations

import errno
import signal
from enum import IntEnum

from astrum.errors import (
    AstrumError,
    NotInPoolError,
    ReleaseRefusedError,
    RetryRefusedError,
    RunEndedError,
    RunInputError,
    RunNotFoundError,
    SchedulerError,
    StoreConfigurationError,
    StoreRefusesWritesError,
    TakeOverRefusedError,
)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a device that takes no more data."""
_WRONG_USAGE = (
    SchedulerError,
    StoreConfigurationError,
    RunEndedError,
    RetryRefusedError,
    ReleaseRefusedError,
    TakeOverRefusedError,
    RunInputError,
    RunNotFoundError,
    NotInPoolError,
)
_SIGNAL_BASE = 128
_NORMAL_STOP = 15  # SIGTERM: what init systems and containers stop a service with


class ExitCode(IntEnum):
    """The meaning of an exit code, the same for all commands."""

    DONE = 0
    FAILED = 1
    """The run failed or was cancelled, or the command could not do its work."""
    WRONG_USAGE = 2
    """An option, a flow or a setting is wrong; the same command will fail again."""
    PERSON_NEEDED = 3
    """The server answers and does not take what it must take; a person has to act there."""
    NOT_HANDED_OVER = 4
    """The work was done, but results, a report or an answer could not be handed over."""
    INTERRUPTED = 130
    """Ctrl-C (SIGINT)."""
    TERMINATED = 143
    """SIGTERM, except for services: it is the normal way to stop a worker or ``serve``."""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """Return how a command ends after an error; `None` for a fault that is not the user's.

    >>> exit_code_of(StoreConfigurationError("wrong password"))
    <ExitCode.WRONG_USAGE: 2>
    """
    if isinstance(error, _WRONG_USAGE):
        return ExitCode.WRONG_USAGE
    if isinstance(error, StoreRefusesWritesError):
        return ExitCode.PERSON_NEEDED
    if isinstance(error, OSError) and error.errno in FULL:
        return ExitCode.NOT_HANDED_OVER
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if isinstance(error, AstrumError) else None


def after_stop(number: int) -> int:
    """Return the exit code of a service that a signal stopped normally.

    >>> after_stop(15), after_stop(2)
    (0, 130)
    """
    return ExitCode.DONE if number == _NORMAL_STOP else after_signal(number)


def describe_ending(code: int) -> str:
    """Describe how a process ended, by the return code that Python reports.

    >>> describe_ending(1), describe_ending(-11)
    ('exit code 1', 'signal 11 (SIGSEGV)')
    """
    return f"exit code {code}" if code >= 0 else signal_name(-code)


def second_signal_advice(number: int) -> str:
    """Say what a second signal does, after the first began an orderly end.

    >>> second_signal_advice(2), second_signal_advice(15)
    ('press Ctrl-C again to exit immediately', 'send the signal again to exit immediately')
    """
    again = "press Ctrl-C again" if number == signal.SIGINT else "send the signal again"
    return f"{again} to exit immediately"


def signal_name(number: int) -> str:
    """Return the number and the name of a signal.

    >>> signal_name(11)
    'signal 11 (SIGSEGV)'
    """
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def after_signal(number: int) -> int:
    """Return the exit code of a process that a signal ended.

    >>> after_signal(15)
    143
    """
    return _SIGNAL_BASE + number
