"""Pauses: which of them hold a task back, and what is read from odd bytes."""

from __future__ import annotations

import pytest

from astrum.protocol.pauses import (
    Pause,
    PauseKind,
    Pauses,
    PauseTarget,
    decode_pauses,
    encode_pause,
)

QUEUE = PauseTarget(PauseKind.QUEUE, "cpu")
NAMESPACE = PauseTarget(PauseKind.NAMESPACE, "etl")
TASK = PauseTarget.of_task("etl", "load")


@pytest.mark.parametrize("target", [QUEUE, NAMESPACE, TASK], ids=str)
def test_each_kind_of_pause_holds_back_what_it_names_and_says_who_and_why(
    target: PauseTarget,
) -> None:
    pauses = Pauses([Pause(target, "ann@host:1", 5.0, "disk is full")])
    why = pauses.holds("etl", "load", "cpu")
    assert why == f"{target} is paused by ann@host:1: disk is full"
    assert pauses.holds("other", "load", "gpu") == ""


def test_a_task_is_not_held_back_by_the_pause_of_another_one_in_its_namespace() -> None:
    assert Pauses([Pause(TASK)]).holds("etl", "show", "cpu") == ""


def test_pauses_are_read_as_they_were_stored() -> None:
    pauses = [Pause(QUEUE, "ann", 5.5, 'a "quoted" caf\u00e9'), Pause(TASK)]
    stored = {pause.target.field.encode(): encode_pause(pause) for pause in pauses}
    assert list(decode_pauses(stored)) == sorted(pauses)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b'{"by": 1, "at": "x", "reason": null}', b'{"at": NaN}']
)
def test_a_pause_with_wrong_details_still_holds(data: bytes) -> None:
    assert list(decode_pauses({b"queue:cpu": data})) == [Pause(QUEUE)]


@pytest.mark.parametrize("field", [b"", b"queue:", b"host:x", b"queue", b"\xff:x"])
def test_a_field_that_names_no_target_is_ignored(field: bytes) -> None:
    assert list(decode_pauses({field: b"{}"})) == []
