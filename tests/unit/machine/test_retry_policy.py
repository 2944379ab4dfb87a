"""Retry policies: which errors are retried, how often and after which delay."""

from __future__ import annotations

import math

import pytest

from astrum.errors import TaskRegistrationError
from astrum.planning import RetryPolicy

VALUE_ERROR = ("builtins.ValueError", "builtins.Exception", "builtins.BaseException")


def test_max_retries_follow_the_first_attempt() -> None:
    policy = RetryPolicy(2)
    assert [policy.allows(failed, VALUE_ERROR) for failed in (1, 2, 3)] == [True, True, False]


def test_an_exception_that_is_not_an_Exception_is_not_retried() -> None:
    assert not RetryPolicy(2).allows(1, ("builtins.SystemExit", "builtins.BaseException"))


def test_a_subclass_matches_what_is_retried_and_what_is_given_up_on() -> None:
    assert RetryPolicy(1, retry_on=(ValueError,)).allows(1, ("my.Error", *VALUE_ERROR))
    assert not RetryPolicy(1, give_up_on=(ValueError,)).allows(1, ("my.Error", *VALUE_ERROR))


def test_one_exception_type_needs_no_tuple() -> None:
    assert RetryPolicy(1, retry_on=ValueError).retry_on == ("builtins.ValueError",)  # type: ignore[arg-type]


def test_give_up_on_wins_over_retry_on() -> None:
    policy = RetryPolicy(1, retry_on=("my.Error",), give_up_on=("my.Error",))
    assert not policy.allows(1, ("my.Error",))


def test_delays_grow_to_their_maximum() -> None:
    policy = RetryPolicy(9, delay=1.0, backoff=3.0, max_delay=10.0)
    assert [policy.delay_s(failed, 0.0) for failed in (1, 2, 3, 4)] == [1.0, 3.0, 9.0, 10.0]


def test_jitter_only_shortens_a_delay() -> None:
    policy = RetryPolicy(1, delay=8.0, jitter=0.25)
    assert policy.delay_s(1, 0.0) == 8.0
    assert policy.delay_s(1, 1.0) == 6.0


def test_a_delay_too_great_for_a_float_is_the_maximum() -> None:
    assert RetryPolicy(9, delay=1.0, backoff=1e200).delay_s(5, 0.0) == 300.0


@pytest.mark.parametrize("retries", [-1, True, "2", 1.5, None])
def test_retries_are_a_whole_number(retries: object) -> None:
    with pytest.raises(TaskRegistrationError, match="max_retries"):
        RetryPolicy(retries)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay": -1.0},
        {"delay": math.nan},
        {"max_delay": -1.0},
        {"backoff": 0.5},
        {"backoff": math.nan},
        {"jitter": 1.5},
        {"jitter": math.nan},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(TaskRegistrationError):
        RetryPolicy(1, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["retry_on", "give_up_on"])
@pytest.mark.parametrize("wrong", [5, (5,), (ValueError, None), (int,), (ValueError("x"),)])
def test_a_value_that_is_not_an_exception_type_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(TaskRegistrationError, match=f"{field} must hold exception types"):
        RetryPolicy(1, **{field: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["delay", "backoff", "max_delay", "jitter"])
@pytest.mark.parametrize("wrong", ["1", None, True])
def test_a_setting_that_is_not_a_number_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(TaskRegistrationError, match=f"{field} must be a number"):
        RetryPolicy(1, **{field: wrong})  # type: ignore[arg-type]
