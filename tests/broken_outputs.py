"""Outputs that do not work, as file descriptors for the processes under test."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

KINDS = ("full disk", "reader gone", "reader stopped", "terminal gone", "read only")


@contextmanager
def broken_output(kind: str) -> Iterator[int]:
    """Yield a descriptor for a process to write to, which will not get far with it."""
    opened = _OPENERS[kind]()
    try:
        yield opened[-1]
    finally:
        for number in opened:
            os.close(number)


def _full_disk() -> list[int]:
    return [os.open("/dev/full", os.O_WRONLY)]


def _reader_gone() -> list[int]:
    reading, writing = os.pipe()
    os.close(reading)
    return [writing]


def _reader_stopped() -> list[int]:
    reading, writing = os.pipe()
    fill(writing)
    return [reading, writing]


def _terminal_gone() -> list[int]:
    master, terminal = pty.openpty()
    os.close(master)
    return [terminal]


def _read_only() -> list[int]:
    return [os.open(os.devnull, os.O_RDONLY)]


def fill(writing: int) -> None:
    """Write to a pipe until it takes nothing more."""
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)


_OPENERS = dict(
    zip(
        KINDS,
        (_full_disk, _reader_gone, _reader_stopped, _terminal_gone, _read_only),
        strict=True,
    )
)
