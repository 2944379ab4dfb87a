"""What tasks tell of how far they are never fails them."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from astrum.execution.attempt import AttemptContext
from astrum.machine.progress import Progress


class Odd:
    def __float__(self) -> float:
        raise RuntimeError("odd")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((3,), Progress(3.0)),
        ((np.int64(3), np.float32(4)), Progress(3.0, 4.0)),
        ((Decimal("0.5"), 1, "x"), Progress(0.5, 1.0, "x")),
    ],
)
def test_any_number_will_do(given: tuple[Any, ...], told: Progress) -> None:
    context = AttemptContext("r", "t", 1)
    context.progress(*given)
    assert context.told == told


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((-1,), "done is -1, not a finite number from 0 on"),
        ((math.nan,), "done is nan"),
        ((1, math.inf), "total is inf"),
        ((None,), "done is a NoneType, not a number"),
        (("3",), "done is a str, not a number"),
        ((True,), "done is a bool, not a number"),
        ((Odd(),), "done is a Odd, not a number"),
        ((10**400,), "done is a int, not a number"),
        ((1, 2, 3), "its text is a int, not a string"),
    ],
)
def test_what_is_not_an_amount_is_ignored_with_one_warning(
    given: tuple[Any, ...], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    context = AttemptContext("r", "t", 1)
    context.progress(1, 2, "good")
    context.progress(*given)
    context.progress(*given)
    assert context.told == Progress(1.0, 2.0, "good")
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"run r: task 't', attempt 1: a progress is ignored: {why}" in record.getMessage()
