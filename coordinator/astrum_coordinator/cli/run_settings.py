"""The settings of one ``run``, made from its options."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from astrum_coordinator.cli.flows import Selection


class Place(NamedTuple):
    """The place where the tasks run.

    ``local``: in this process. Otherwise on the server at ``redis_url``, a private one if that is
    `None`, with ``workers`` local worker processes.
    """

    local: bool
    redis_url: str | None
    workers: int
    prefix: str | None


class RunSettings(NamedTuple):
    """The settings of one run."""

    selection: Selection
    place: Place
    timeout_s: float | None
    run_id: str | None
    quiet: bool
    attach: bool = False
    folder: Path | None = None
    """The directory where the command was started; its modules may change the current one."""
