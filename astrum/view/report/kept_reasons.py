"""Why the tasks of an ended run ended as they did, as data that a chronicle keeps.

It has the answer for the run as a whole, and a row for each task that its attempts do not explain:
an attempt that succeeded says where and for how long it ran, and needs no row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from astrum.machine.task_state import SUCCEEDED
from astrum.view.report.needs import ShownTasks
from astrum.view.report.strings import Strings
from astrum.view.why.explain import explain_briefly
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import Look
from astrum.view.why.run_why import explain_run

KeptReasons = dict[str, Any]
_OF_RUN = ("code", "sentence", "since", "facts", "groups", "tasks_left_out")
_OF_GROUP = ("code", "count", "tasks", "example", "since", "until")
ROW = ("code", "sentence", "root", "since", "by_attempt")
"""The columns of a row, besides the task; texts are numbers of ``texts``. ``by_attempt`` is 1 if
the last attempt of the task is the reason, else 0."""


def kept_reasons(look: Look) -> KeptReasons:
    """Return what `why` says of a run that is over, without commands to type.

    ``tasks`` are rows by the numbers that tasks have in the columns of the run, ``mapped`` rows by
    the names of the mapped tasks that have no number there.
    """
    shown, texts = ShownTasks(look.state), Strings()
    tasks: dict[str, list[Any]] = {name: [] for name in ("task", *ROW)}
    mapped: dict[str, list[Any]] = {name: [] for name in ("name", *ROW)}
    for task in _unexplained(look, shown.numbers):
        _add(tasks, explain_briefly(look, task), texts, task=shown.places[task])
    for task in sorted(shown.mapped):
        name = texts.add(look.name(task))
        _add(mapped, explain_briefly(look, task), texts, name=name)
    return {"run": _run(look), "tasks": tasks, "mapped": mapped, "texts": texts.all}


def _unexplained(look: Look, numbers: Iterable[int]) -> Iterable[int]:
    """Return the tasks of which the last attempt does not say all."""
    log = look.state.attempt_log
    given = {one.task for one in log.released if one.how == "succeed"} | log.reused.keys()
    for task in numbers:
        is_plain = look.state.states[task] == SUCCEEDED and task in look.last
        if not is_plain or task in given:
            yield task


def _add(rows: Mapping[str, list[Any]], reason: Explanation, texts: Strings, **place: int) -> None:
    row = {
        **place,
        "code": texts.add(str(reason.code)),
        "sentence": texts.add(reason.sentence),
        "root": texts.add(reason.root),
        "since": reason.since,
        "by_attempt": int("attempt" in reason.facts),
    }
    for name, value in row.items():
        rows[name].append(value)


def _run(look: Look) -> dict[str, Any]:
    reason = dataclasses.asdict(explain_run(look))
    groups = [{name: group[name] for name in _OF_GROUP} for group in reason["groups"]]
    return {**{name: reason[name] for name in _OF_RUN}, "groups": groups}
