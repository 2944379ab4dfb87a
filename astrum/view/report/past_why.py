"""Why a run, or a task of it, ended as it did, where only its chronicle is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from astrum.errors import DecodeError, TaskNotFoundError, nearest
from astrum.machine.events import Outcome
from astrum.view.report.attempt_columns import OUTCOMES
from astrum.view.report.columns import RunColumns, beginning
from astrum.view.report.kept_reasons import KeptReasons
from astrum.view.why.codes import Code
from astrum.view.why.ended import ran_text
from astrum.view.why.explanation import Explanation, Group

_NEVER_BEGAN = OUTCOMES[Outcome.NEVER_BEGAN]


class Chronicle(NamedTuple):
    """What is kept of a run: its columns, and why its tasks ended so, `None` if that is not."""

    columns: RunColumns
    reasons: KeptReasons | None


def explain_past(chronicle: Chronicle, task: str | None, now: float) -> Explanation:
    """Return why an ended run, or a task or child of it, is as it is; as `explain`.

    Times of attempts are whole ms, and nothing is left to type. Raises `TaskNotFoundError`, and
    `DecodeError` for a chronicle that does not say it.
    """
    run_id = chronicle.columns["run"]["run_id"]
    if chronicle.reasons is None:
        raise DecodeError(
            f"the chronicle of run {run_id} does not say why: another version of Astrum wrote it; "
            f"`show {run_id}` reads it"
        )
    reader = _Reader(chronicle.columns, chronicle.reasons, now)
    return reader.run() if task is None else reader.task(task)


class _Reader:
    """Reads the reasons of one chronicle."""

    def __init__(self, columns: RunColumns, reasons: KeptReasons, now: float) -> None:
        self._columns = columns
        self._reasons = reasons
        self._known = {
            "run_id": columns["run"]["run_id"],
            "now": now,
            "is_chronicle": True,
        }

    def run(self) -> Explanation:
        """Return how the run ended."""
        told = self._reasons["run"]
        groups = tuple(
            Group(**{**group, "code": Code(group["code"]), "tasks": tuple(group["tasks"])})
            for group in told["groups"]
        )
        return Explanation(**{**told, **self._known, "code": Code(told["code"]), "groups": groups})

    def task(self, name: str) -> Explanation:
        """Return how a task or child ended."""
        names = self._names()
        place = names.get(name)
        if place is not None:
            row = _row(self._reasons["tasks"], "task", place)
            if row is None:
                return self._by_attempt(name, place)
            return self._by_row(name, row, place)
        texts, mapped = self._reasons["texts"], self._reasons["mapped"]
        known = [texts[number] for number in mapped["name"]]
        if name not in known:
            run_id, hint = self._known["run_id"], nearest(name, [*known, *names])
            raise TaskNotFoundError(f"run {run_id} has no task {name!r}{hint}")
        return self._by_row(name, _at(mapped, known.index(name)), None)

    def _names(self) -> dict[str, int]:
        strings = self._columns["strings"]
        numbers = self._columns["tasks"]["name"]
        return {strings[number]: place for place, number in enumerate(numbers)}

    def _by_row(self, name: str, row: Mapping[str, Any], place: int | None) -> Explanation:
        texts = self._reasons["texts"]
        attempts = _attempts(self._columns, place) if row["by_attempt"] else []
        code = Code(texts[row["code"]])
        facts: dict[str, Any] = attempts[-1].facts(attempts) if attempts else {}
        if code is Code.REUSED:
            reused = dict(self._columns["reused"])
            facts = {"run_id": self._columns["strings"][reused.get(place, 0)]}
        return Explanation(
            task_id=name,
            code=code,
            sentence=texts[row["sentence"]],
            root=texts[row["root"]],
            since=row["since"],
            worker_id=attempts[-1].worker_id if attempts else "",
            facts=facts,
            **self._known,
        )

    def _by_attempt(self, name: str, place: int) -> Explanation:
        """Return how a task succeeded: where and for how long its last attempt ran."""
        attempts = _attempts(self._columns, place)
        if not attempts:
            return Explanation(
                task_id=name, code=Code.SUCCEEDED, sentence="succeeded", **self._known
            )
        last = attempts[-1]
        facts = last.facts(attempts)
        ran = ran_text(last.worker_id, last.took_s, last.queued_s, last.prepared_s)
        return Explanation(
            task_id=name,
            code=Code.SUCCEEDED,
            sentence=f"{ran}; attempt {facts['attempt']}",
            since=beginning(self._columns) + last.ended_s,
            worker_id=last.worker_id,
            facts=facts,
            **self._known,
        )


class _Attempt(NamedTuple):
    """One attempt that has ended; seconds, ``ended_s`` since the run began."""

    outcome: str
    worker_id: str
    queued_s: float
    prepared_s: float
    took_s: float
    ended_s: float

    def facts(self, attempts: Sequence[_Attempt]) -> dict[str, Any]:
        """Return the facts of it, the last of these attempts of its task."""
        return {
            "attempt": sum(one.outcome != _NEVER_BEGAN for one in attempts),
            "outcome": self.outcome.replace(" ", "_"),
            "queued_s": self.queued_s,
            "prepared_s": self.prepared_s,
            "took_s": self.took_s,
        }


def _attempts(columns: RunColumns, task: int | None) -> list[_Attempt]:
    """Return the attempts of a task, in the order of their ends."""
    rows = columns["attempts"]
    return [_attempt(columns, place) for place, one in enumerate(rows["task"]) if one == task]


def _attempt(columns: RunColumns, place: int) -> _Attempt:
    rows, worker = columns["attempts"], columns["attempts"]["worker"][place]
    queued, claimed, started, ended = (
        rows[name][place] or 0 for name in ("queued_at", "claimed_at", "started_at", "ended_at")
    )
    return _Attempt(
        columns["outcomes"][rows["outcome"][place]],
        "" if worker < 0 else columns["strings"][columns["workers"]["id"][worker]],
        (claimed - queued) / 1000,
        (started - claimed) / 1000,
        (ended - started) / 1000,
        ended / 1000,
    )


def _row(table: Mapping[str, list[Any]], by: str, place: int) -> dict[str, Any] | None:
    """Return the row of a task in a table, `None` if it has none."""
    return _at(table, table[by].index(place)) if place in table[by] else None


def _at(table: Mapping[str, list[Any]], row: int) -> dict[str, Any]:
    return {name: column[row] for name, column in table.items()}
