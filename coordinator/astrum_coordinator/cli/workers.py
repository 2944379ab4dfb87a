"""The command ``workers``: list the live workers and what each does."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.pause import say_paused
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrum.planning.offer import NamespaceVersion
    from astrum.protocol.drains import DrainRequest
    from astrum.protocol.pauses import Pauses
    from astrum.protocol.records import WorkerInfo
    from astrum.protocol.status import WorkerStatus
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.display.texts import NotedTable

    Versions = Mapping[str, Mapping[str, NamespaceVersion]]

LONGEST_READ_AGE_S = 20.0
"""A reader waits some seconds at the server; one that comes back so late is stuck."""
MAX_PROGRESS = 4
"""Lines of progress that one worker shows at most."""
NONE = "no live workers"
COLUMNS = ("Worker", "Queues", "Serves", "Running", "State", "Memory", "Lease")


@click.command(short_help="List the live workers.")
@server_options
@option(
    "--here",
    envvar="ASTRUM_WORKERS_HERE",
    is_flag=True,
    help="Only those of this host; the exit code is 1 if there is none.",
)
@option(
    "--watch",
    envvar="ASTRUM_WORKERS_WATCH",
    is_flag=True,
    help="Show them again every two seconds, until Ctrl-C. With --json: one list per line.",
)
@json_option
@log_option
def workers(server: ServerOptions, here: bool, watch: bool, as_json: bool) -> None:
    """List the live workers of a server: what they serve and how much they run.

    The state says whether a worker claims attempts, and if not, why. Notes say what else is worth
    knowing: how far its tasks are, ends that are not delivered yet, threads that hang.
    """

    async def question(coordinator: Coordinator) -> PoolAnswer:
        found = await coordinator.workers()
        if here:
            host = socket.gethostname()
            found = [info for info in found if info.details.get("host") == host]
        versions = await coordinator.served_versions(found)
        return PoolAnswer(found, versions, await coordinator.paused())

    if watch:
        _watch(server, question, as_json)
        return
    answer = ask(server, question)
    if as_json:
        print_json(_to_json(answer))
    else:
        print_table(workers_table(answer.workers), "" if answer.workers else NONE)
        say_paused(answer.paused)
    if here and not answer.workers:
        raise SystemExit(ExitCode.FAILED)


class PoolAnswer(NamedTuple):
    """The live workers, the versions that they serve, and what is paused."""

    workers: list[WorkerInfo]
    versions: Versions
    paused: Pauses


def _watch(
    server: ServerOptions,
    question: Callable[[Coordinator], Awaitable[PoolAnswer]],
    as_json: bool,
) -> None:
    from astrum_coordinator.cli.watching import keep_asking, redrawn
    from astrum_coordinator.display.texts import Text

    if as_json:
        keep_asking(server, question, lambda answer: print_json(_to_json(answer)))
        return
    with redrawn() as show:
        keep_asking(
            server,
            question,
            lambda one: show(workers_table(one.workers) if one.workers else Text(NONE)),
        )


def _to_json(answer: PoolAnswer) -> list[dict[str, Any]]:
    versions = answer.versions
    return [worker_to_json(info) | served_versions(versions, info) for info in answer.workers]


def served_versions(versions: Versions, info: WorkerInfo) -> dict[str, Any]:
    """Return the offer and the code of each namespace that a worker serves."""
    from astrum_coordinator.display.json_values import to_json

    return {"versions": to_json(versions.get(info.worker_id, {}))}


def worker_to_json(info: WorkerInfo) -> dict[str, Any]:
    """Return one worker with its status read."""
    from astrum.protocol.lacking import lacking_from_details
    from astrum_coordinator.display.json_values import to_json

    return {
        "worker_id": info.worker_id,
        "lease_s": info.lease_s,
        "details": to_json(info.details),
        "lacks": [
            {"namespace": namespace, "resource": name}
            for namespace, name in lacking_from_details(info.details)
        ],
        "status": to_json(info.status),
        "drain": None if info.drain is None else to_json(info.drain._asdict()),
    }


def workers_table(found: list[WorkerInfo]) -> NotedTable:
    """Return one row per worker; its id says the host and the process."""
    from astrum.runtime.durations import duration_text
    from astrum_coordinator.display.texts import NotedTable, Text

    table = NotedTable(*COLUMNS)
    for info in found:
        cells = (
            info.worker_id,
            info.details.get("queues", ""),
            serves_text(info.details),
            running_text(info.status),
            state_text(info.status, info.drain),
            memory_text(info.status),
            duration_text(max(info.lease_s, 0.0)),
        )
        notes = (note_text(info.status), *progress_texts(info.status))
        table.add_row(*map(Text, cells), notes=notes)
    return table


def serves_text(details: Mapping[str, str]) -> str:
    """Return what a worker serves, and which resources it lacks: ``"billing (4), no 'db'"``."""
    from astrum.protocol.lacking import lacking_from_details

    missing = dict.fromkeys(name for _, name in lacking_from_details(details))
    return ", ".join([details.get("serves", ""), *(f"no {name!r}" for name in missing)])


def running_text(status: WorkerStatus) -> str:
    """Return how many attempts run, and for how many there are slots: ``"3 of 104"``."""
    slots = sum(lane.slots for lane in status.lanes.values())
    return f"{len(status.running)} of {slots}" if slots else str(len(status.running))


def progress_texts(status: WorkerStatus) -> list[str]:
    """Return what running attempts told last: ``["load: 7 of 10 (70 %)"]``."""
    told = [f"{row.name}: {row.progress}" for row in status.running if row.progress is not None]
    return [*told[:MAX_PROGRESS], *["..."][: len(told) > MAX_PROGRESS]]


def state_text(status: WorkerStatus, drain: DrainRequest | None = None) -> str:
    """Return whether a worker claims attempts, and if not, why."""
    asked = ""
    if drain is not None and status.drain_left_s is None:
        asked = f"asked to drain by {drain.by}" if drain.by else "asked to drain"
    if status.blocked is not None:
        who = status.blocker or status.blocked.where
        blocked = f"blocked by {who} for {status.blocked.age_s:.0f} s"
        return f"{asked}, {blocked}" if asked else blocked
    if asked:
        return asked
    if status.drain_left_s is not None:
        return f"draining, {status.drain_left_s:.0f} s left"
    return ", ".join(status.not_claiming).replace("_", " ") or "claiming"


def memory_text(status: WorkerStatus) -> str:
    """Return the memory of a worker's process: ``"312 MiB"``, "-" if it is not known."""
    rss = status.rss_bytes
    if rss is None:
        return "-"
    return f"{rss / 2**30:.1f} GiB" if rss >= 2**30 else f"{rss / 2**20:.0f} MiB"


def note_text(status: WorkerStatus) -> str:
    """Return what is unusual about a worker, "" if nothing is."""
    from astrum_coordinator.display.report_view import count_text

    ages = [lane.read_age_s or 0.0 for lane in status.lanes.values() if lane.free]
    notes = []
    if status.unsettled:
        notes.append(f"{count_text(status.unsettled, 'end')} not delivered yet")
    if status.hung_threads:
        notes.append(f"{count_text(status.hung_threads, 'thread')} hung in tasks given up")
    if not status.not_claiming and max(ages, default=0.0) > LONGEST_READ_AGE_S:
        notes.append(f"read its queues {max(ages):.0f} s ago")
    return "; ".join(notes)
