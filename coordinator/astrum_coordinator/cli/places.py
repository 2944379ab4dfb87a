"""Chooses where ``run`` runs: in this process, on a private server, or on a running server."""

from __future__ import annotations

import os
from typing import Any

import click
from click.core import ParameterSource

from astrum_coordinator.cli.options import given, redis_settings
from astrum_coordinator.cli.run_settings import Place

LOCAL_CONTRADICTIONS = {
    "redis_url": "--local runs all tasks in this process: --redis has no meaning there",
    "workers": "--local runs all tasks in this process, without workers: drop --workers",
    "prefix": "--local uses no server, so there are no keys to give a --prefix",
    "embedded": "--local runs all tasks in this process, --embedded on a private server: drop one",
}
EMBEDDED_CONTRADICTION = (
    "--embedded starts a private server, --redis names a running one: drop one of them"
)
_TYPED = ParameterSource.COMMANDLINE


def choose_place(options: dict[str, Any]) -> Place:
    """Decide where to run; the command line takes precedence over the environment.

    Raises ``click.UsageError`` for options that contradict each other.
    """
    redis_url, prefix, workers = options["redis_url"], options["prefix"], options["workers"]
    if options["local"] and _local_wins(options):
        return Place(True, None, 0, None)
    if options["embedded"] and _embedded_wins(options):
        redis_url = None
    if workers is None:
        workers = 0 if redis_url else os.cpu_count() or 1
    return Place(False, redis_url, workers, prefix)


def _local_wins(options: dict[str, Any]) -> bool:
    others = [name for name in LOCAL_CONTRADICTIONS if options[name] and given(name) is not None]
    if given("local") is not _TYPED and any(given(name) is _TYPED for name in others):
        return False
    for name in others:
        if given(name) is given("local"):
            raise click.UsageError(LOCAL_CONTRADICTIONS[name])
    return True


def _embedded_wins(options: dict[str, Any]) -> bool:
    """Return whether ``--embedded`` overrides a URL from the environment."""
    if not options["redis_url"] or given("redis_url") is not _TYPED:
        return True
    if given("embedded") is _TYPED:
        raise click.UsageError(EMBEDDED_CONTRADICTION)
    return False


def place_text(place: Place) -> str:
    """Return the line that says where the run takes place, without a password."""
    if place.local:
        return "running in this process"
    count = f"{place.workers} local worker{'' if place.workers == 1 else 's'}"
    if place.redis_url is None:
        return f"running on a private server with {count}"
    settings = redis_settings(place.redis_url, place.prefix)
    workers = f"and {count}" if place.workers else "with the workers that serve it"
    return f"running on {settings.masked_url}, prefix {settings.prefix!r}, {workers}"
