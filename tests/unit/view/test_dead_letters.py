"""A dead letter shows what can be read of it."""

from __future__ import annotations

from astrum.protocol.records import DeadLetter
from astrum.protocol.task_message import TaskMessage, encode_message
from astrum.view import DeadLetterView, view_of

MESSAGE = TaskMessage("r", 3, 2, 1, "etl", "load", "f", 0, None, False, False, b"\x90")


def look(data: bytes, signature: bytes = b"") -> DeadLetterView:
    return view_of(DeadLetter("1500-0", "{a}:q:cpu:a:", "1200-0", "why", data, signature))


def test_a_whole_message_names_its_task_and_attempt() -> None:
    seen = look(encode_message(MESSAGE), b"signature")
    assert (seen.run_id, seen.namespace, seen.task_id, seen.attempt) == ("r", "etl", "load", 2)
    assert (seen.at, seen.entry, seen.unreadable, seen.is_signed) == (1.5, "1200-0", "", True)


def test_a_message_that_is_cut_still_names_its_run() -> None:
    seen = look(encode_message(MESSAGE)[:12])
    assert (seen.run_id, seen.task, seen.attempt, seen.task_id) == ("r", 3, 2, "")
    assert seen.unreadable


def test_of_other_bytes_only_the_first_are_shown() -> None:
    seen = look(b"\xff" * 1_000)
    assert (seen.run_id, seen.task, seen.size) == ("", None, 1_000)
    assert bytes.fromhex(seen.hex) == b"\xff" * 256
