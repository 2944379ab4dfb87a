"""Retry policies: data and arithmetic only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from astrum.errors import TaskRegistrationError

ExceptionName = type[BaseException] | str


def qualified_name(cls: type) -> str:
    """Return ``module.qualname``, the name by which exception types are matched on any host.

    >>> qualified_name(ValueError)
    'builtins.ValueError'
    """
    return f"{cls.__module__}.{cls.__qualname__}"


def _names(field: str, types: Any) -> tuple[str, ...]:
    if isinstance(types, (str, type)) or not isinstance(types, Iterable):
        types = (types,)
    return tuple(_name(field, each) for each in types)


def _name(field: str, of: Any) -> str:
    if isinstance(of, str):
        return of
    if isinstance(of, type) and issubclass(of, BaseException):
        return qualified_name(of)
    raise TaskRegistrationError(f"{field} must hold exception types or their names, got {of!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The user's budget for attempts that raise or time out.

    ``max_retries`` retries follow the first attempt; the n-th waits
    ``min(delay * backoff**(n-1), max_delay)`` seconds, of which a share of up to ``jitter``
    (0..1) is taken off at random. ``retry_on`` and ``give_up_on`` hold exception types or their
    qualified names (kept as names, so that they travel); subclasses match.
    """

    max_retries: int = 0
    delay: float = 0.0
    backoff: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.0
    retry_on: tuple[ExceptionName, ...] = ("builtins.Exception",)
    give_up_on: tuple[ExceptionName, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "retry_on", _names("retry_on", self.retry_on))
        object.__setattr__(self, "give_up_on", _names("give_up_on", self.give_up_on))
        retries: Any = self.max_retries
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise TaskRegistrationError(f"max_retries must be an integer >= 0, got {retries!r}")
        for field in ("delay", "backoff", "max_delay", "jitter"):
            if not _is_number(value := getattr(self, field)):
                raise TaskRegistrationError(f"{field} must be a number, got {value!r}")
        if not (self.delay >= 0 and self.max_delay >= 0 and self.backoff >= 1):  # nor NaN
            raise TaskRegistrationError("delay and max_delay must be >= 0 and backoff >= 1")
        if not 0 <= self.jitter <= 1:
            raise TaskRegistrationError(f"jitter must be between 0 and 1, got {self.jitter!r}")

    def allows(self, failed_attempts: int, exception_names: Iterable[str]) -> bool:
        """Return whether another attempt may follow ``failed_attempts`` failed ones.

        ``exception_names`` are the qualified names of the raised type and all its bases.
        """
        return not self.why_not(failed_attempts, exception_names)

    def why_not(self, failed_attempts: int, exception_names: Iterable[str]) -> str:
        """Return why no attempt may follow ``failed_attempts`` failed ones, "" if one may.

        >>> RetryPolicy(1).why_not(1, ["builtins.ValueError", "builtins.Exception"])
        ''
        >>> RetryPolicy(1, give_up_on=ValueError).why_not(1, ["builtins.ValueError"])
        'none of its types is in retry_on'
        """
        if failed_attempts > self.max_retries:
            return "its retries are used up" if self.max_retries else "it has no retries"
        names = set(exception_names)
        if not names.intersection(self.retry_on):
            return "none of its types is in retry_on"
        if given_up := sorted(map(str, names.intersection(self.give_up_on))):
            return f"{given_up[0]} is in give_up_on"
        return ""

    def delay_s(self, failed_attempts: int, fraction: float) -> float:
        """Return the seconds to wait after the n-th failed attempt.

        ``fraction`` in 0..1 is the randomness, given by the caller.

        >>> RetryPolicy(3, delay=1.0, max_delay=3.0).delay_s(3, 0.5)
        3.0
        """
        if not self.delay:
            return 0.0
        try:
            delay = min(self.delay * self.backoff ** (failed_attempts - 1), self.max_delay)
        except OverflowError:
            delay = self.max_delay
        return delay * (1.0 - self.jitter * fraction)
