"""``workers``: who is there, and what each does."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import click

from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.options import (
    json_option,
    log_option,
    option,
    prefix_option,
    redis_option,
)
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from astrum.redis.records import WorkerInfo

COLUMNS = ("Worker", "Host", "Pid", "Queues", "Serves", "Running", "Lease")


@click.command(short_help="List the live workers.")
@redis_option
@prefix_option
@option(
    "--here",
    envvar="ASTRUM_WORKERS_HERE",
    is_flag=True,
    help="Only those of this host; the exit code is 1 if there is none.",
)
@json_option
@log_option
def workers(redis_url: str | None, prefix: str | None, here: bool, as_json: bool) -> None:
    """List the live workers of a server: what they serve and how much they run."""
    found = ask(redis_url, prefix, lambda coordinator: coordinator.workers())
    if here:
        host = socket.gethostname()
        found = [facts for facts in found if facts.facts.get("host") == host]
    if as_json:
        print_json([worker_to_json(facts) for facts in found])
    else:
        print_table(workers_table(found), "no live workers" if not found else "")
    if here and not found:
        raise SystemExit(ExitCode.FAILED)


def worker_to_json(facts: WorkerInfo) -> dict[str, Any]:
    """Return one worker with its status read."""
    from astrum.protocol.status import decode_status
    from astrum_coordinator.display.report_view import to_json

    return {
        "worker_id": facts.worker_id,
        "lease_s": facts.lease_s,
        "facts": to_json(facts.facts),
        "status": to_json(decode_status(facts.status)),
    }


def workers_table(found: list[WorkerInfo]) -> Table:
    """Return one row per worker."""
    from rich.text import Text

    from astrum.protocol.status import decode_status
    from astrum_coordinator.display.report_view import duration_text, plain_table

    table = plain_table(*COLUMNS)
    table.columns[0].no_wrap = True
    for facts in found:
        cells = (
            facts.worker_id,
            facts.facts.get("host", ""),
            facts.facts.get("pid", ""),
            facts.facts.get("queues", ""),
            facts.facts.get("serves", ""),
            str(len(decode_status(facts.status).get("running", ()))),
            duration_text(max(facts.lease_s, 0.0)),
        )
        table.add_row(*map(Text, cells))
    return table
