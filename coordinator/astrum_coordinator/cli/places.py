"""Chooses where ``run`` runs: in this process, on a private server, or on a running server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from astrum.runtime.cli.options import ServerOptions
from astrum_coordinator.cli.options import given, redis_settings
from astrum_coordinator.cli.run_settings import RunTarget
from astrum_coordinator.cli.taking_over import FromArguments

LOCAL_CONTRADICTIONS = {
    "redis_url": "--local runs all tasks in this process: --redis has no meaning there",
    "workers": "--local runs all tasks in this process, without workers: drop --workers",
    "result_ttl_s": "--local keeps nothing at a server: drop --result-ttl",
    "prefix": "--local uses no server, so there are no keys to give a --prefix",
    "versions": "--local runs the code of this process: --versions has no meaning there",
    "unserved_limit_s": "--local runs all tasks in this process, without workers to wait for: drop "
    "--unserved-limit",
    "from_id": "--local keeps nothing at a server, so there is no run to take over from: drop "
    "--from",
    "embedded": "--local runs all tasks in this process, --embedded on a private server: drop one",
}
EMBEDDED_CONTRADICTION = (
    "--embedded starts a private server, --redis names a running one: drop one of them"
)
_TYPED = ParameterSource.COMMANDLINE


def choose_place(server: ServerOptions, options: Mapping[str, Any]) -> RunTarget:
    """Decide where to run; the command line takes precedence over the environment.

    ``options`` are all parameters of the command.

    Raises ``click.UsageError`` for options that contradict each other.
    """
    workers: int | None = options["workers"]
    if options["local"] and _local_wins(options):
        return RunTarget(True, ServerOptions(), 0)
    if options["embedded"] and _embedded_wins(options):
        server = server._replace(url=None)
    if workers is None:
        workers = 0 if server.url else os.cpu_count() or 1
    return RunTarget(False, server, workers)


def _local_wins(options: Mapping[str, Any]) -> bool:
    others = [name for name in LOCAL_CONTRADICTIONS if options[name] and given(name) is not None]
    if given("local") is not _TYPED and any(given(name) is _TYPED for name in others):
        return False
    for name in others:
        if given(name) is given("local"):
            raise click.UsageError(LOCAL_CONTRADICTIONS[name])
    return True


def _embedded_wins(options: Mapping[str, Any]) -> bool:
    """Return whether ``--embedded`` overrides a URL from the environment."""
    if not options["redis_url"] or given("redis_url") is not _TYPED:
        return True
    if given("embedded") is _TYPED:
        raise click.UsageError(EMBEDDED_CONTRADICTION)
    return False


def check_labels(labels: Mapping[str, str], *, local: bool) -> None:
    """Raise ``click.UsageError`` for labels on the command line of a run that is not stored."""
    if labels and local and given("labels") is _TYPED:
        raise click.UsageError(
            "--local stores no run, so no list could show --label: drop one of the two"
        )


def check_from(from_run: FromArguments | None, place: RunTarget) -> None:
    """Raise ``click.UsageError`` for ``--from`` where there is no earlier run."""
    if from_run is not None and place.server.url is None:
        raise click.UsageError(
            f"run {from_run.run_id} is on the server where it ran: name that server by --redis or "
            "ASTRUM_REDIS_URL to take over from it"
        )


def place_text(place: RunTarget) -> str:
    """Return the line that says where the run takes place, without a password."""
    if place.local:
        return "running in this process"
    count = f"{place.workers} local worker{'' if place.workers == 1 else 's'}"
    if place.server.url is None:
        return f"running on a private server with {count}"
    settings = redis_settings(place.server)
    workers = f"and {count}" if place.workers else "with the workers that serve it"
    return f"running on {settings.masked_url}, prefix {settings.prefix!r}, {workers}"
