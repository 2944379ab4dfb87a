"""What a worker says of the attempts that it runs."""

from __future__ import annotations

import time

import pytest

from astrum.execution.attempt import AttemptContext
from astrum.redis import Claim
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.upkeep.status import running_row


@pytest.mark.parametrize(
    ("index", "key", "name"),
    [
        (None, "", "parse"),
        (3, "", "parse[3]"),
        ((2, 7), "", "parse[2,7]"),
        (3, "a-17", "parse[a-17]"),
    ],
)
def test_a_child_has_its_own_name(index: int | tuple[int, ...] | None, key: str, name: str) -> None:
    context = AttemptContext("r", "parse", 1, index=index, key=key)
    held = ClaimedAttempt(Claim("q", "1-0", b""), "async", 7, 1, context)
    row = running_row(held, time.monotonic(), None)
    assert (row.task_id, row.name) == ("parse", name)
