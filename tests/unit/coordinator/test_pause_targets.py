"""What can be paused, by its name alone."""

from __future__ import annotations

import pytest

from astrum.errors import NotInPoolError, RunError
from astrum.protocol.pauses import PauseKind, PauseTarget
from astrum_coordinator.asking.operations import check_queue_names, pause_targets


def test_a_name_in_place_of_a_list_is_not_taken_apart() -> None:
    with pytest.raises(RunError, match=r"queues takes a list of names.*write \['cpu'\]"):
        pause_targets("cpu", (), ())


@pytest.mark.parametrize("name", ["a:b", "a,b"])
def test_a_name_that_no_queue_can_have_is_refused(name: str) -> None:
    with pytest.raises(NotInPoolError, match="no queue can have the name"):
        check_queue_names([PauseTarget(PauseKind.QUEUE, name)])
    check_queue_names([PauseTarget(PauseKind.TASK, f"etl/{name}")])
