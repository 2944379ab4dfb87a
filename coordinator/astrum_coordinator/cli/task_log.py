"""Prints the stored log of an attempt, for ``show RUN TASK --log``."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions
from astrum.runtime.visible_text import visible_text
from astrum_coordinator.cli.asking import ask, find_run, patient_coordinator
from astrum_coordinator.cli.options import require_redis
from astrum_coordinator.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from astrum.view.task_log import AttemptLog
    from astrum_coordinator.display.show_view import Chosen


def show_log(
    server: ServerOptions, run_id: str, chosen: Chosen, *, follow: bool, as_json: bool
) -> None:
    """Print the log of the chosen attempt; with ``follow`` what comes until its task has ended."""
    if chosen.task_id is None:
        raise click.UsageError("--log and --follow are about one task: name it after RUN")
    show = follow_log if follow else print_log
    show(server, find_run(server, run_id), chosen.task_id, chosen.attempt, as_json=as_json)


def print_log(
    server: ServerOptions, run_id: str, task: str, attempt: int | None, *, as_json: bool
) -> None:
    """Print the log of an attempt as far as it is; what is to be known of it goes to stderr."""
    log = ask(server, lambda coordinator: coordinator.log(run_id, task, attempt))
    if as_json:
        print_json(log.to_data())
        return
    say(_head(log))
    _print_lines(log, 0, as_json=False)
    if log.note:
        say(f"({log.note})")


def follow_log(
    server: ServerOptions, run_id: str, task: str, attempt: int | None, *, as_json: bool
) -> None:
    """Print the log of an attempt, and what comes until it ends; as JSON, an object per line."""
    settings = require_redis(server)

    async def follow() -> None:
        async with patient_coordinator(settings) as coordinator:
            shown, printed, note = 0, 0, ""
            async for log in coordinator.follow_log(run_id, task, attempt):
                if log.attempt != shown:
                    say(_head(log))
                    shown, printed, note = log.attempt, 0, ""
                _print_lines(log, printed, as_json=as_json)
                printed = log.count
                if log.note and log.note != note:
                    note = log.note
                    say(f"({note})")
                if not log.is_running:
                    say(f"attempt {log.attempt}: {log.status}")

    asyncio.run(follow())


def _head(log: AttemptLog) -> str:
    where = f", on {log.worker_id}" if log.worker_id else ""
    return f"task {log.task_id!r}, attempt {log.attempt} of {log.attempts}, {log.status}{where}:"


def _print_lines(log: AttemptLog, since: int, *, as_json: bool) -> None:
    from astrum.view.task_log import left_out_text, line_text, line_to_data

    texts = []
    for line in log.since(since):
        if isinstance(line, int):
            texts.append(json.dumps({"left_out": line}) if as_json else left_out_text(line))
        elif as_json:
            texts.append(json.dumps({"attempt": log.attempt, **line_to_data(line)}))
        else:
            texts.append(visible_text(line_text(line)))
    if texts:
        print_text("\n".join(texts))
