"""Small plans and the events of their tasks, for tests of the state machine."""

from __future__ import annotations

from astrum.machine import (
    AttemptSettled,
    Failure,
    Outcome,
)
from astrum.planning import Plan, RetryPolicy, TaskSpec

ORDINARY = Failure(("builtins.ValueError", "builtins.Exception"), "no")
A, B, C, D = range(4)


def plan(*specs: TaskSpec, limit: int | None = None) -> Plan:
    return Plan("test", specs, concurrency_limit=limit)


def spec(name: str, *needs: str, retry: RetryPolicy | None = None, tail: bool = False) -> TaskSpec:
    return TaskSpec(task_id=name, needs=needs, retry=retry or RetryPolicy(), awaited=not tail)


def end(
    task: int,
    attempt: int = 1,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    at: float = 100.0,
    shared: int = 1,
) -> AttemptSettled:
    failure = ORDINARY if outcome in (Outcome.FAILED, Outcome.TIMED_OUT) else None
    return AttemptSettled(task, attempt, outcome, at - 1, at, at, "w", failure, shared)


def fails(task: int, attempt: int = 1, *, at: float = 100.0) -> AttemptSettled:
    return end(task, attempt, Outcome.FAILED, at=at)


def lost(task: int, attempt: int = 1, *, at: float = 100.0, shared: int = 1) -> AttemptSettled:
    return end(task, attempt, Outcome.LOST, at=at, shared=shared)
