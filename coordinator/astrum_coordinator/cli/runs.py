"""The command ``runs``: list the latest runs and their states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.past_runs import print_past_runs
from astrum_coordinator.cli.pause import say_paused
from astrum_coordinator.cli.printing import print_json, print_table
from astrum_coordinator.cli.run_filters import filter_text, run_filter_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrum.planning.offer import NamespaceVersion
    from astrum.protocol.pauses import Pauses
    from astrum.protocol.records import RunInfo
    from astrum.view.run_list import ListedRun, RunFilter
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.display.texts import NotedTable

    Versions = Mapping[str, Mapping[str, NamespaceVersion]]

COLUMNS = ("Run", "State", "Namespace", "Tasks", "Created", "Took", "Leader")


@click.command(short_help="List the latest runs.")
@server_options
@run_filter_options("runs")
@option(
    "--past",
    envvar="ASTRUM_RUNS_PAST",
    is_flag=True,
    help="Runs whose records have expired, of which only the chronicles are left.",
)
@json_option
@option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Most runs to list."
)
@log_option
def runs(server: ServerOptions, chosen: RunFilter, past: bool, as_json: bool, limit: int) -> None:
    """List the latest runs of a server, newest first.

    An open run is pending (without a leader), running or delayed (until its time). It is also
    retrying if some of its tasks are tried again after a failure or a loss, and stalled if it does
    not go on by itself; a note says why. With --past it lists ended runs whose records have
    expired: `show`, `why` and `export` tell what is left of them.

    \b
    Example: astrum-coordinator runs --state failed --state stalled --since 2h
    """
    if past:
        if not chosen.is_empty:
            raise click.UsageError(f"--past lists all past runs: leave {filter_text(chosen)} out")
        print_past_runs(ask(server, lambda one: one.past_runs(limit)), as_json)
        return

    async def question(coordinator: Coordinator) -> tuple[list[ListedRun], Versions, Pauses]:
        found = await coordinator.list_runs(chosen, limit=limit)
        live = await coordinator.workers() if _open(found) else []
        versions = await coordinator.served_versions(live)
        return found, versions, await coordinator.paused()

    found, workers, paused = ask(server, question)
    if as_json:
        print_json([run_to_json(run, paused) for run in found])
    else:
        nothing = "no runs" if chosen.is_empty else f"no runs with {filter_text(chosen)}"
        print_table(runs_table(found, workers), "" if found else nothing)
        if not workers and _open(found):
            say("no live worker: open runs wait; start one with astrum-worker MODULE")
        if _open(found):
            say_paused(paused)
    if len(found) == limit:
        say(f"these are the newest {limit:,}; --limit lists more")


def _open(found: list[ListedRun]) -> list[ListedRun]:
    return [run for run in found if run.info.is_open]


def run_to_json(run: ListedRun, paused: Pauses) -> dict[str, Any]:
    """Return one run, what it does, what it needs of workers, and why it is paused."""
    info = run.info
    return record_to_json(info) | {
        "status": run.status,
        "is_retrying": run.is_retrying,
        "stalled": run.stalled,
        "needs": info.needs,
        "paused": paused_text(info, paused),
        "took_s": None if info.ended_at is None else info.took_s(info.ended_at),
    }


def record_to_json(info: RunInfo) -> dict[str, Any]:
    """Return the record of a run without its header: the inputs there may be secret."""
    from astrum_coordinator.display.json_values import to_json

    record: dict[str, Any] = to_json(info)
    del record["header"]
    return record | {"labels": info.labels, "priority": info.priority}


def runs_table(found: list[ListedRun], workers: Versions) -> NotedTable:
    """Return one row per run; ``workers`` is what the live ones serve."""
    from astrum.runtime.durations import duration_text
    from astrum_coordinator.display.report_view import STATUS_STYLE, time_text
    from astrum_coordinator.display.texts import NotedTable, Text

    table = NotedTable(*COLUMNS)
    for run in found:
        info, state = run.info, run.shown_status
        took = None if info.ended_at is None else info.took_s(info.ended_at)
        table.add_row(
            Text(info.run_id),
            Text(state, STATUS_STYLE.get(state, "")),
            Text(info.details.get("namespace", "")),
            Text(tasks_text(info)),
            Text(time_text(info.created_at)),
            Text(duration_text(took) if took is not None else "-"),
            Text(info.owner if info.is_open and info.lease_s > 0 else "-"),
            notes=[note_text(run, workers)],
        )
    return table


def paused_text(info: RunInfo, paused: Pauses) -> str:
    """Return why nothing of an open run's namespace is dispatched, "" if it is not paused."""
    from astrum.protocol.pauses import PauseKind, PauseTarget

    pause = paused.get(PauseTarget(PauseKind.NAMESPACE, info.details.get("namespace", "")))
    return str(pause) if pause is not None and info.is_open else ""


def tasks_text(info: RunInfo) -> str:
    """Return how far the tasks of a run are: ``"3 of 5, 1 failed"``."""
    total, counts = info.details.get("tasks", ""), info.counts
    if counts is not None and counts.total:
        total = f"{counts.total:,}"
    elif total.isdecimal():
        total = f"{int(total):,}"
    if counts is None:
        return total
    parts = [f"{counts.succeeded:,} of {total}"]
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    parts += [f"{counts.retried:,} retried"] if counts.retried else []
    parts += [f"{counts.held:,} held"] if counts.held and info.is_open else []
    # What the server has: a leader may hold attempts that the server refuses.
    parts += [f"{info.outstanding:,} out"] if info.outstanding and info.is_open else []
    return ", ".join(parts)


def note_text(run: ListedRun, workers: Versions) -> str:
    """Return why a run stalls or waits, its priority, labels and code, and its failure."""
    from astrum_coordinator.display.report_view import wait_text

    info = run.info
    labels = " ".join(f"{name}={value}" for name, value in sorted(info.labels.items()))
    waits = "" if info.waits_until is None else wait_text(info.waits_until)
    priority = f"priority {info.priority}" if info.priority else ""
    texts = (run.stalled, waits, priority, labels, code_text(info, workers), end_text(info))
    return "; ".join(filter(None, texts))


def code_text(info: RunInfo, workers: Versions) -> str:
    """Return which code an open run needs, and whether workers have it; "" if it is not known."""
    from astrum.planning.fingerprint import EXACT
    from astrum.planning.offer import NamespaceVersion

    if not info.needs:
        return ""
    namespace, is_exact = info.details.get("namespace", ""), info.versions == EXACT
    needed = NamespaceVersion(info.needs["offer"], info.needs["code"])
    served = [found[namespace] for found in workers.values() if namespace in found]
    fit = [one for one in served if one == needed or (one.offer == needed.offer and not is_exact)]
    missing = "" if fit or not workers else ", which no live worker has as a whole"
    needs = "needs exactly " if is_exact else "needs " if missing else ""
    return f"{needs}code {needed.code}{missing}"


def end_text(info: RunInfo) -> str:
    """Return how an unsuccessful run ended: its first failure, or why it was stopped."""
    return info.details.get("failure") or info.details.get("reason", "")
