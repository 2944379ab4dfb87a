"""Exceptions of any class, size and depth are described, quickly, in text that can be encoded."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgpack
import pytest

from astrum.machine.failure import Failure
from astrum.planning.retry_policy import RetryPolicy

ENOUGH_S = 5.0
"""Far more than is needed, far less than what is not bounded takes."""


def chain(length: int) -> BaseException:
    error: BaseException = ValueError("the first")
    for number in range(length):
        following = ValueError(f"level {number}")
        following.__cause__ = error
        error = following
    return error


def circle() -> BaseException:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def nested(depth: int) -> BaseException:
    error: Exception = ValueError("the cause")
    for number in range(depth):
        error = ExceptionGroup(f"group {number}", [error])
    return error


def wide(width: int) -> BaseException:
    return ExceptionGroup("many", [ValueError(f"row {number}") for number in range(width)])


def deep_traceback(depth: int) -> BaseException:
    error: BaseException = ValueError("deep")
    for _ in range(depth):
        try:
            raise error
        except ValueError as caught:
            error = caught
    return error


def raising(method: str, raised: type[BaseException]) -> BaseException:
    def fails(*_: object) -> str:
        raise raised("not told")

    value = property(fails) if method == "__notes__" else fails
    hostile: type[BaseException] = type("Hostile", (Exception,), {method: value})
    return hostile("its own")


def says(value: object) -> BaseException:
    cls: type[BaseException] = type("Odd", (Exception,), {"__str__": lambda _: value})
    return cls()


def named(name: str, value: object) -> BaseException:
    cls: type[BaseException] = type("Odd", (Exception,), {name: value})
    return cls()


class LyingText(str):
    def encode(self, *_: object) -> bytes:
        raise SystemExit("no bytes")

    def __len__(self) -> int:
        raise SystemExit("no length")


ODD: dict[str, Callable[[], BaseException]] = {
    "half an emoji": lambda: ValueError("cut \ud83d"),
    "an odd file name": lambda: OSError(2, "no such file", "caf\udce9.txt"),
    "a huge message": lambda: ValueError("x" * 30_000_000),
    "a long chain": lambda: chain(20_000),
    "a circle of causes": circle,
    "deep groups": lambda: nested(3_000),
    "a wide group": lambda: wide(20_000),
    "a deep traceback": lambda: deep_traceback(200_000),
    "text of another class": lambda: says(LyingText("hm")),
    "no text": lambda: says(5),
    "no module": lambda: named("__module__", None),
    "an odd module": lambda: named("__module__", "caf\udce9"),
    "notes that are no list": lambda: named("__notes__", 5),
    "odd notes": lambda: named("__notes__", ["caf\udce9", object()]),
    "a syntax error of numbers": lambda: SyntaxError("m", ("f", "a", "b", "c")),  # type: ignore[arg-type]
    **{
        f"{method} raises {kind.__name__}": lambda m=method, k=kind: raising(m, k)  # type: ignore[misc]
        for method in ("__str__", "__repr__", "__notes__", "__getattribute__")
        for kind in (ValueError, RecursionError, SystemExit, KeyboardInterrupt, GeneratorExit)
    },
}


@pytest.mark.parametrize("kind", ODD)
def test_any_exception_is_described_in_text_that_can_be_encoded(kind: str) -> None:
    error = ODD[kind]()
    began = time.monotonic()
    failure = Failure.from_exception(error)
    assert time.monotonic() - began < ENOUGH_S
    assert msgpack.unpackb(msgpack.packb(failure))[1] == failure.message
    assert len(failure.message) < 5_000
    assert len(failure.traceback) < 20_000
    assert failure.types[-1] == "builtins.BaseException" or "Group" in failure.types[0]


def test_a_group_says_what_is_in_it_and_is_retried_as_that() -> None:
    failure = Failure.from_exception(
        ExceptionGroup("unhandled", [ConnectionRefusedError("no"), ConnectionResetError("gone")])
    )
    assert failure.message == (
        "unhandled (2 sub-exceptions): ConnectionRefusedError: no; ConnectionResetError: gone"
    )
    assert RetryPolicy(1, retry_on=(ConnectionError,)).allows(1, failure.types)
    assert not RetryPolicy(1, retry_on=(ConnectionResetError,)).allows(1, failure.types)


def test_an_endless_recursion_keeps_both_ends_of_its_traceback() -> None:
    def outermost() -> None:
        innermost(2_000)

    def innermost(depth: int) -> None:
        if not depth:
            raise ValueError("at the bottom")
        innermost(depth - 1)

    import sys

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5_000)
    try:
        outermost()
    except ValueError as error:
        failure = Failure.from_exception(error)
    finally:
        sys.setrecursionlimit(limit)
    assert "in outermost" in failure.traceback
    assert "frames left out" in failure.traceback
    assert failure.traceback.rstrip().endswith("ValueError: at the bottom")
