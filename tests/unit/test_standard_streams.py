"""Steady writers: what they write comes out in order, and what they cannot write costs nothing."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType

import pytest

from astrum.runtime.standard_streams import MOST_WAITING, WAIT_S, SteadyWriter, say_line
from tests.broken_outputs import KINDS, broken_output, fill

Make = Callable[[int], SteadyWriter]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make writers whose threads end with the test."""
    made: list[SteadyWriter] = []

    def begin(number: int) -> SteadyWriter:
        made.append(SteadyWriter(number))
        return made[-1]

    yield begin
    for writer in made:
        writer.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for number in (reading, writing):
        with suppress(OSError):
            os.close(number)


def read_all(reading: int, writing: int) -> bytes:
    os.close(writing)
    found = b""
    while part := os.read(reading, 1 << 16):
        found += part
    return found


def test_output_is_written_when_the_call_returns(pipe: tuple[int, int], make: Make) -> None:
    reading, writing = pipe
    writer = make(writing)
    for number in range(100):
        writer.write(b"line %d\n" % number)
        assert os.read(reading, 1 << 16) == b"line %d\n" % number


def test_lines_of_many_threads_stay_whole(pipe: tuple[int, int], make: Make) -> None:
    reading, writing = pipe
    writer = make(writing)

    def write_lines(name: str) -> None:
        for _ in range(50):
            writer.write(name.encode() * 20 + b"\n")

    threads = [threading.Thread(target=write_lines, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.settle()
    lines = read_all(reading, writing).splitlines()
    assert len(lines) == 200
    assert set(lines) == {name.encode() * 20 for name in "abcd"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_does_not_work_costs_a_moment_and_no_error(kind: str, make: Make) -> None:
    with broken_output(kind) as number:
        writer = make(number)
        began = time.monotonic()
        for _ in range(2_000):
            writer.write(b"x" * 100)
        took_s = time.monotonic() - began
        writer.settle(WAIT_S)
    assert took_s < 3.0, "two thousand writes that wait would take minutes"


def test_a_reader_that_comes_back_gets_the_waiting_output_and_a_note_of_what_was_dropped(
    pipe: tuple[int, int], make: Make
) -> None:
    reading, writing = pipe
    fill(writing)
    writer = make(writing)
    for _ in range(3 * MOST_WAITING // 1024):
        writer.write(b"y" * 1024)
    assert writer.is_crowded
    found = b""
    while b"were left out here\n" not in found:
        found += os.read(reading, 1 << 16)
    assert found.count(b"y") >= MOST_WAITING
    writer.write(b"again\n")
    assert os.read(reading, 100) == b"again\n"


def test_an_output_made_non_blocking_by_others_loses_nothing(
    pipe: tuple[int, int], make: Make
) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    writer = make(writing)
    wanted = 300_000
    threading.Thread(target=writer.write, args=(b"z" * wanted,)).start()
    found = 0
    while found < wanted:
        found += len(os.read(reading, 1 << 16))


def test_a_signal_handler_may_write_while_its_thread_writes(
    pipe: tuple[int, int], make: Make
) -> None:
    reading, writing = pipe
    writer = make(writing)
    handled = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal handled
        handled += 1
        writer.write(b"h")
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    try:
        for _ in range(3_000):
            writer.write(b"m")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    writer.settle()
    assert handled > 0
    found = read_all(reading, writing)
    assert (found.count(b"m"), found.count(b"h")) == (3_000, handled)


def test_the_child_of_a_fork_writes_as_well(pipe: tuple[int, int], make: Make) -> None:
    reading, writing = pipe
    writer = make(writing)
    writer.write(b"parent ")
    writer.settle()  # a write waits for a moment only, and the child would overtake it
    child = os.fork()
    if not child:
        writer.write(b"child")
        writer.settle()
        os._exit(0)
    os.waitpid(child, 0)
    assert read_all(reading, writing) == b"parent child"


def test_a_line_goes_to_the_real_stream_if_the_replaced_one_is_useless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = io.StringIO()
    monkeypatch.setattr("sys.__stderr__", real)
    for useless in (object(), None):
        monkeypatch.setattr("sys.stderr", useless)
        say_line("told")
    monkeypatch.undo()
    assert real.getvalue() == "told\ntold\n"
