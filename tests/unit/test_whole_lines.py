"""Lines that many threads print at once, part by part, come out whole, and soon."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from astrum.runtime.cli.json_logs import JsonFormatter, JsonStream
from astrum.runtime.standard_streams import SteadyStream
from astrum.runtime.whole_lines import LineStream
from astrum_coordinator.display.screen_region import ScreenRegion

THREADS, LINES = 8, 40


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Let other threads run between the parts of a line."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(call: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def print_items(stream: object) -> None:
    def print_lines(item: int) -> None:
        for number in range(LINES):
            print("item", item, "line", number, file=stream)  # type: ignore[call-overload]

    in_threads(print_lines)


def are_whole(lines: list[str]) -> bool:
    """Return whether each line is there, those of one thread in order."""
    of_items = [[f"item {item} line {n}" for n in range(LINES)] for item in range(THREADS)]
    found = [[line for line in lines if line.startswith(f"item {i} ")] for i in range(THREADS)]
    return len(lines) == THREADS * LINES and found == of_items


class Pipe:
    """A pipe, and a steady stream to its writing end as unbuffered Python has it."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()
        raw = open(self._writing, "wb", buffering=0, closefd=False)  # noqa: SIM115
        self.stream = SteadyStream(io.TextIOWrapper(raw, "utf-8", write_through=True))

    def read(self) -> str:
        return os.read(self.reading, 1 << 16).decode()

    def close(self) -> None:
        self.stream.writer.close()
        os.close(self.reading)
        os.close(self._writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_lines_of_threads_are_whole_on_a_steady_stream(pipe: Pipe) -> None:
    print_items(pipe.stream)
    assert are_whole(pipe.read().splitlines())


def test_lines_of_threads_are_whole_and_none_is_lost_behind_a_buffer() -> None:
    reading, writing = os.pipe()
    with open(reading) as output, open(writing, "wb") as buffer:
        stream = LineStream(buffer, encoding="utf-8")
        found: list[str] = []
        reader = threading.Thread(target=lambda: found.extend(output.read().splitlines()))
        reader.start()
        for _ in range(20):  # much more than the buffer takes
            print_items(stream)
        stream.close()
        reader.join()
    assert len(found) == 20 * THREADS * LINES
    of_all = {f"item {item} line {number}" for item in range(THREADS) for number in range(LINES)}
    assert set(found) == of_all


def test_lines_of_threads_are_whole_above_a_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stderr", terminal)
    region = ScreenRegion(Console(file=terminal, force_terminal=True, width=80))
    region.open()
    print_items(sys.stderr)
    print("half", end="", file=sys.stderr)
    region.close()
    assert sys.stderr is terminal
    lines = [line for line in terminal.getvalue().splitlines() if "item" in line]
    assert are_whole([line[line.index("item") :] for line in lines])
    assert "half" in terminal.getvalue()


def test_lines_of_threads_are_whole_in_a_log_of_json() -> None:
    import json
    import logging

    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    print_items(JsonStream(written, handler))
    assert are_whole([json.loads(line)["message"] for line in written.getvalue().splitlines()])


def test_a_line_is_written_when_the_print_returns(pipe: Pipe) -> None:
    for number in range(20):
        print("line", number, file=pipe.stream)
        assert pipe.read() == f"line {number}\n"


def test_text_without_a_line_end_is_written_when_it_is_flushed_or_after_a_moment(
    pipe: Pipe,
) -> None:
    print("now", end="", file=pipe.stream, flush=True)
    assert pipe.read() == "now"
    print(".", end="", file=pipe.stream)
    assert pipe.read() == "."
    print("", file=pipe.stream)
    assert pipe.read() == "\n"


def test_a_flush_writes_what_its_own_thread_has_begun_only(pipe: Pipe) -> None:
    print("mine ", end="", file=pipe.stream)
    in_threads(lambda number: print(number, file=pipe.stream, flush=True))
    print("still mine", file=pipe.stream)
    assert pipe.read().splitlines()[-1] == "mine still mine"


def test_a_long_text_without_a_line_end_is_not_kept(pipe: Pipe) -> None:
    pipe.stream.write("x" * 30_000)
    pipe.stream.write("x" * 40_000)
    found = 0
    while found < 70_000:
        found += len(pipe.read())


def test_the_end_writes_what_all_threads_have_begun(pipe: Pipe) -> None:
    in_threads(lambda number: print("begun", end=" ", file=pipe.stream))
    pipe.stream.end_lines()
    pipe.stream.writer.settle()
    assert pipe.read() == "begun " * THREADS


def test_the_child_of_a_fork_does_not_repeat_what_its_parent_began(pipe: Pipe) -> None:
    print("parent", end=" ", file=pipe.stream)
    child = os.fork()
    if not child:
        print("child", file=pipe.stream)
        pipe.stream.end_lines()
        pipe.stream.writer.settle()
        os._exit(0)
    os.waitpid(child, 0)
    print("goes on", file=pipe.stream)
    assert pipe.read() == "child\nparent goes on\n"


def test_lines_of_several_processes_on_one_pipe_are_whole(pipe: Pipe) -> None:
    size, count = 900, 300  # three quarters of a megabyte through a pipe of 64 KiB
    children = []
    for name in "abc":
        child = os.fork()
        if child:
            children.append(child)
            continue
        for _ in range(count // 10):
            pipe.stream.write((name * size + "\n") * 10)  # one write of more than a pipe's unit
        pipe.stream.writer.settle()
        os._exit(0)
    found = ""
    while found.count("\n") < 3 * count:
        found += pipe.read()
    for child in children:
        os.waitpid(child, 0)
    assert set(found.splitlines()) == {name * size for name in "abc"}
