"""The promises that runs are checked against after the faults: nothing lost, nothing counted twice.

The side effects (`tests.flows.chaos` leaves a token per execution) are compared with the report
and with the journal, which know nothing of the tokens.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from astrum.machine.budgets import LOSS_BUDGET
from tests.chaos.injection import Injection
from tests.flows.chaos import has_same_body, has_same_parameters

UNCOUNTED = ("lost", "handed_back", "failed", "cancelled")
"""Ends of attempts after which a task may run again."""
LOSS_WINDOW_S = 3.0
"""What a server that is killed may forget (appendfsync everysec, and a write that waits for it)."""

Window = tuple[float, float]


class Token(NamedTuple):
    """The trace of one execution."""

    run_id: str
    task_id: str
    attempt: int
    pid: int
    nonce: str
    at: float
    code: str = "a"


class Planned(NamedTuple):
    """The code that a run was planned with, and its policy about other versions."""

    code: str
    policy: str

    @property
    def is_exact(self) -> bool:
        """Whether tasks may not be executed with another body."""
        return self.policy == "exact"

    def allows(self, token: Token) -> bool:
        """Tell whether a task of the run may be executed with the code that it was."""
        same = has_same_body if self.is_exact else has_same_parameters
        return same(token.task_id, self.code, token.code)


@dataclass
class Verdict:
    """The count of what was found; ``problems`` are sentences, and there should be none."""

    tasks: int = 0
    executions: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    double_counted: int = 0
    quarantined: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Take over another verdict."""
        self.tasks += other.tasks
        self.executions += other.executions
        self.explained += other.explained
        self.lost += other.lost
        self.double_counted += other.double_counted
        self.quarantined += other.quarantined
        self.problems += other.problems


def read_tokens(path: Path) -> dict[str, list[Token]]:
    """Return all tokens by run; a line that was cut by a kill would be a problem of its own."""
    by_run: dict[str, list[Token]] = defaultdict(list)
    if path.exists():
        for line in path.read_text().splitlines():
            token = Token(*json.loads(line))
            by_run[token.run_id].append(token)
    return by_run


def with_children(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report in which each child has its row and its result, by its name, as a task has.

    A child without a result has none there, and what gathered it will show it as missing.
    """
    rows: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for row in report["task_statistics"]:
        name, value = row["task_name"], report["task_return_set"].get(row["task_name"])
        children = row["children"]
        rows += [{**child, "task_name": f"{name}[{_place(child)}]"} for child in children]
        if children:
            found = {f"{name}[{place}]": one for place, one in enumerate(value or [])}
            values |= {child: one for child, one in found.items() if one is not None}
        else:
            rows.append(row)
            values |= {name: value} if value is not None else {}
    return {**report, "task_statistics": rows, "task_return_set": values}


def _place(child: dict[str, Any]) -> int:
    [place] = child["index"] if isinstance(child["index"], list) else [child["index"]]
    return int(place)


def audit(
    report: dict[str, Any],
    tokens: Iterable[Token],
    successes: Counter[str],
    server_losses: Sequence[Window] = (),
    victims: Collection[int] = (),
    planned: Sequence[Planned] = (),
) -> Verdict:
    """Judge one ended run.

    ``report`` is what ``show --json`` prints, ``successes`` counts the records of success in the
    journal by task id, ``server_losses`` are the times (from, to) whose writes the server may have
    forgotten: what was executed then may be executed again. ``victims`` are the processes that
    were killed: a task that three of them took along cannot be told from one that kills, and is
    quarantined, which fails its run; then the tasks that had not run do not count as a loss.
    ``planned``: the run's code; several if a server forgot the run and it was submitted again.
    """
    verdict = Verdict(tasks=report["total_tasks"])
    run_id = report["run_id"]
    quarantined = [r["task_name"] for r in report["task_statistics"] if _is_taken(r, victims)]
    if quarantined and report["execution_state"] == "failed":
        verdict.quarantined += len(quarantined)
    elif report["execution_state"] != "completed":
        state, errors = report["execution_state"], report["error_summary"][:5]
        verdict.problems.append(f"run {run_id} ended as {state}: {errors}")
    by_task: dict[str, list[Token]] = defaultdict(list)
    for token in tokens:
        by_task[token.task_id].append(token)
        if planned and not any(plan.allows(token) for plan in planned):
            verdict.problems.append(f"run {run_id}: {token} was executed for {planned}")
    for row in report["task_statistics"]:
        if not quarantined or row["status"] not in ("failed", "cancelled"):
            _judge_outcome(verdict, run_id, row, successes)
        found = by_task.pop(row["task_name"], [])
        _judge_executions(verdict, run_id, row, found, report, server_losses)
    _judge_lineage(verdict, run_id, report["task_return_set"])
    verdict.problems += [f"run {run_id}: {name} ran and is not reported" for name in by_task]
    return verdict


def begun_while_quiet(
    tokens: Mapping[str, Iterable[Token]], injections: Iterable[Injection]
) -> list[str]:
    """Return a sentence for each execution that began although a pause was to hold it back."""
    return [
        f"run {run_id}: {token} began while {injection.fault!r} held it back"
        for injection in injections
        if injection.quiet_from is not None
        for run_id, found in tokens.items()
        for token in found
        if injection.quiet_from <= token.at <= injection.over_at
        and (not injection.quiet_task or token.task_id == injection.quiet_task)
    ]


def _is_taken(row: dict[str, Any], victims: Collection[int]) -> bool:
    """Tell whether so many losses as quarantine takes are all explained by kills."""
    lost = [a for a in row["attempt_statistics"] if a["status"] == "lost"]
    is_over = row["status"] == "failed" and len(lost) >= LOSS_BUDGET
    return is_over and all(pid_of(a["worker_id"]) in victims for a in lost)


def pid_of(worker_id: str) -> int:
    """Return the process in a worker's or coordinator's id."""
    parts = worker_id.rsplit(".", 2)
    return int(parts[1]) if len(parts) == 3 else 0


def _judge_outcome(
    verdict: Verdict, run_id: str, row: dict[str, Any], successes: Counter[str]
) -> None:
    name = row["task_name"]
    counted = sum(a["status"] == "completed" for a in row["attempt_statistics"])
    recorded = successes[name]
    if row["status"] != "completed" or counted < 1 or recorded < 1:
        verdict.lost += 1
        verdict.problems.append(
            f"run {run_id}: {name} has no outcome ({row['status']}): {row['attempt_statistics']}"
        )
    if counted > 1 or recorded > 1:
        verdict.double_counted += 1
        verdict.problems.append(f"run {run_id}: {name} counts {counted}, recorded {recorded}")


def _judge_executions(
    verdict: Verdict,
    run_id: str,
    row: dict[str, Any],
    tokens: Sequence[Token],
    report: dict[str, Any],
    server_losses: Sequence[Window],
) -> None:
    name = row["task_name"]
    value = report["task_return_set"].get(name)
    statuses = {a["attempt_number"]: a["status"] for a in row["attempt_statistics"]}
    verdict.executions += len(tokens)
    if value is not None and value["nonce"] not in {token.nonce for token in tokens}:
        verdict.problems.append(f"run {run_id}: no attempt ever computed the value of {name}")
    for token in tokens:
        if value is not None and token.nonce == value["nonce"]:
            continue
        status = statuses.get(token.attempt, "unknown")
        if status in UNCOUNTED:
            verdict.explained[status] += 1
        elif any(begin <= token.at <= end for begin, end in server_losses):
            verdict.explained["server lost its last writes"] += 1
        else:
            verdict.problems.append(
                f"run {run_id}: {name} was executed as attempt {token.attempt} ({status}) by "
                f"process {token.pid} for no recorded reason"
            )


def _judge_lineage(verdict: Verdict, run_id: str, values: dict[str, Any]) -> None:
    for name, value in values.items():
        for upstream, nonce in value["from"].items():
            if values.get(upstream, {}).get("nonce") != nonce:
                verdict.problems.append(
                    f"run {run_id}: {name} was computed from a value of {upstream} that is not "
                    "the reported one"
                )
