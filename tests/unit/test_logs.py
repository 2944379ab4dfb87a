"""Lines of logs: which attempt they name, and that each is valid JSON whatever it holds."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from typing import Any

import pytest

from astrum.execution.attempt import CURRENT, AttemptContext
from astrum.logs import AttemptFilter, add_attempt, attempt_fields
from astrum.runtime.cli.json_logs import JsonFormatter, JsonStream
from astrum.runtime.cli.logs import SteadyLogHandler, TextFormatter, log_for_users, log_to_stderr
from astrum.runtime.log_records import message_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTEMPT = AttemptContext("r1", "parse", 2, 0, "shop", "w1", index=3, trace=TRACE)
FIELDS = {
    "run_id": "r1",
    "namespace": "shop",
    "task_id": "parse[3]",
    "attempt": 2,
    "worker_id": "w1",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": ATTEMPT.span_id,
}


@pytest.fixture
def inside() -> Iterator[None]:
    """Run the test as code of an attempt."""
    token = CURRENT.set(ATTEMPT)
    yield
    CURRENT.reset(token)


def record_of(message: Any = "hello", *args: Any, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, message, args, None)
    vars(record).update(extra)
    return record


def json_of(record: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert line.isascii()
    found: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return found


def test_outside_of_a_task_there_are_no_fields() -> None:
    record = record_of()
    assert AttemptFilter().filter(record)
    assert (attempt_fields(), record.run_id, record.attempt) == ({}, "-", "-")  # type: ignore[attr-defined]
    assert add_attempt(None, "info", {"event": "x"}) == {"event": "x"}


@pytest.mark.usefixtures("inside")
def test_inside_a_task_all_fields_are_there_and_what_a_record_says_itself_stays() -> None:
    record = record_of(task_id="mine")
    AttemptFilter().filter(record)
    assert {name: vars(record)[name] for name in FIELDS} == FIELDS | {"task_id": "mine"}
    event: MutableMapping[str, Any] = {"event": "x", "attempt": "own"}
    assert add_attempt(None, "info", event) == {"event": "x"} | FIELDS | {"attempt": "own"}


def test_each_execution_is_a_span_of_its_own_and_there_is_none_without_a_trace() -> None:
    others = [replace(ATTEMPT, attempt=3), replace(ATTEMPT, worker_id="w2")]
    others += [replace(ATTEMPT, index=4), replace(ATTEMPT, run_id="r2")]
    ids = {one.span_id for one in (ATTEMPT, *others, replace(ATTEMPT))}
    assert len(ids) == 5
    assert all(len(bytes.fromhex(one)) == 8 for one in ids)
    assert replace(ATTEMPT, trace="").span_id == ""


@pytest.mark.usefixtures("inside")
async def test_nested_asyncio_tasks_and_their_threads_know_the_attempt() -> None:
    async def nested() -> dict[str, Any]:
        return await asyncio.to_thread(attempt_fields)

    assert await asyncio.create_task(nested()) == FIELDS


@pytest.mark.usefixtures("inside")
def test_a_line_of_json_has_the_attempt_the_exception_and_the_extras() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = record_of("a %s\x1b[2J\u202e</script>", "b", order=7, odd={1: object})
        record.exc_info = sys.exc_info()
    AttemptFilter().filter(record)
    line = json_of(record)
    assert FIELDS.items() <= line.items()
    assert line["message"] == "a b\x1b[2J\u202e</script>"
    assert (line["level"], line["logger"], line["extra"]["order"]) == ("info", "shop", 7)
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["message"] == "two\nlines"
    assert "raise ValueError" in line["exception"]["stacktrace"]
    assert line["ts"].endswith("Z")
    assert line["pid"] > 0


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def circle() -> list[Any]:
    one: list[Any] = []
    one.append(one)
    return one


@pytest.mark.parametrize(
    "record",
    [
        record_of("%d and %d", "one"),
        record_of("%s", Unshowable()),
        record_of(Unshowable()),
        record_of("x", number=float("nan")),
        record_of("x", circle=circle()),
        record_of("x", keys={(1, 2): 3}),
        record_of("x", thing=Unshowable()),
        record_of("x\ud800y"),
        record_of("x", run_id=Unshowable()),
    ],
)
def test_odd_records_are_lines_too(record: logging.LogRecord) -> None:
    assert json_of(record)["logger"] == "shop"
    assert message_of(record)


def test_text_for_a_terminal_has_no_control_characters_and_names_the_task() -> None:
    formatter = TextFormatter("%(name)s: %(message)s")
    plain = record_of("\x1b[2J\u202e")
    AttemptFilter().filter(plain)
    assert formatter.format(plain) == "shop: \\x1b[2J\\u202e"
    own = record_of("line 1\nline 2", run_id="r", task_id="t\x1b", attempt=1)
    told = "shop: run r, task 't\\x1b', attempt 1: line 1\nline 2"
    assert formatter.format(own) == told
    assert formatter.format(own) == told


def stream_of(written: io.StringIO) -> JsonStream:
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    return JsonStream(written, handler)


def test_each_line_that_no_logger_writes_becomes_a_line_of_json() -> None:
    written = io.StringIO()
    stream = stream_of(written)
    print("one", "two\nthree", file=stream)
    print("error: no server", end="", file=stream)
    stream.pass_on('{"message": "from a worker"}')
    stream.pass_on("{not json}")
    stream.end_lines()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["message"] for line in lines] == [
        "one two",
        "three",
        "from a worker",
        "error: no server{not json}",
    ]
    assert (lines[0]["logger"], lines[-1]["level"]) == ("stderr", "error")


def test_lines_of_several_threads_stay_whole() -> None:
    written = io.StringIO()
    stream = stream_of(written)
    work = [threading.Thread(target=lambda: stream.write("x\n" * 200)) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == ["x"] * 800


@contextmanager
def new_process() -> Iterator[io.StringIO]:
    """Have loggers as at the start of a process; gives what is written to standard error."""
    root, own, written = logging.getLogger(), logging.getLogger("astrum"), io.StringIO()
    before = (root.handlers[:], root.level, own.handlers[:], own.level, own.propagate)
    root.handlers, own.handlers = [], []
    root.setLevel(logging.WARNING)
    try:
        with redirect_stderr(written):
            yield written
    finally:
        root.handlers, own.handlers = before[0], before[2]
        root.setLevel(before[1])
        own.setLevel(before[3])
        own.propagate = before[4]


def test_a_root_logger_without_handlers_gets_one() -> None:
    with new_process() as written:
        log_to_stderr("info")
        log_for_users(AttemptFilter())
        logging.getLogger("shop").info("seen")
        logging.getLogger("shop").debug("not seen")
        assert written.getvalue().endswith(" INFO shop: seen\n")
        assert written.getvalue().count("\n") == 1


def test_records_for_other_handlers_are_made_but_not_shown() -> None:
    with new_process() as written:
        log_to_stderr("warning")
        log_for_users(AttemptFilter(), least=logging.INFO)
        assert logging.getLogger("shop").isEnabledFor(logging.INFO)
        logging.getLogger("shop").info("not seen")
        assert written.getvalue() == ""


def test_what_users_have_set_up_is_not_changed() -> None:
    with new_process():
        mine = logging.StreamHandler(io.StringIO())
        logging.getLogger().addHandler(mine)
        log_to_stderr("info")
        log_for_users(AttemptFilter(), least=logging.INFO)
        assert logging.getLogger().handlers == [mine]
        assert logging.getLogger().level == logging.WARNING


def test_a_logger_with_a_handler_of_its_own_is_not_shown_twice() -> None:
    with new_process() as written:
        own, there = logging.getLogger("shop.orders"), io.StringIO()
        handler = logging.StreamHandler(there)
        own.addHandler(handler)
        try:
            log_to_stderr("info")
            log_for_users(AttemptFilter())
            own.warning("once")
            logging.getLogger("shop.orders.new").warning("once too")
        finally:
            own.removeHandler(handler)
        assert there.getvalue() == "once\nonce too\n"
        assert written.getvalue() == ""


def test_astrums_own_handler_is_made_once() -> None:
    with new_process():
        log_to_stderr("info")
        log_to_stderr("debug")
        handlers = logging.getLogger("astrum").handlers
        assert [type(handler) for handler in handlers] == [SteadyLogHandler]
        assert logging.getLogger("astrum").level == logging.DEBUG
