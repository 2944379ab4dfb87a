"""The settings of one ``run``, made from its options."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from astrum_coordinator.cli.flows import Selection


class Place(NamedTuple):
    """Where the tasks run.

    ``local``: in this process. Else on the server at ``redis_url``, a private one if that is
    `None`, with ``workers`` local worker processes.
    """

    local: bool
    redis_url: str | None
    workers: int
    prefix: str | None


class RunSettings(NamedTuple):
    """How one run is to be led."""

    selection: Selection
    place: Place
    timeout_s: float | None
    run_id: str | None
    quiet: bool
    attach: bool = False
    folder: Path | None = None
    """Where the command was started; its modules may change the directory."""
