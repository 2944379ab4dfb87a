"""The settings of one ``run``, made from its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from astrum.runtime.cli.options import ServerOptions, TaskLogOptions
from astrum_coordinator.cli.flows import FlowChoice
from astrum_coordinator.cli.inputs import InputArguments
from astrum_coordinator.cli.taking_over import FromArguments


class RunTarget(NamedTuple):
    """The place where the tasks run.

    ``local``: in this process. Otherwise on ``server``, a private one if that has no URL, with
    ``workers`` local worker processes.
    """

    local: bool
    server: ServerOptions
    workers: int


class RunSettings(NamedTuple):
    """The settings of one run."""

    choice: FlowChoice
    place: RunTarget
    timeout_s: float | None
    run_id: str | None
    quiet: bool
    attach: bool = False
    labels: Mapping[str, str] = MappingProxyType({})
    folder: Path | None = None
    """The directory where the command was started; its modules may change the current one."""
    result_ttl_s: float | None = None
    versions: str = ""
    unserved_limit_s: float | None = None
    given: InputArguments = InputArguments()
    from_run: FromArguments | None = None
    priority: int = 0
    worker_options: tuple[str, ...] = ()
    """Further options of the local workers."""
    logs: TaskLogOptions = TaskLogOptions()
    makes_columns: bool = False
    """Whether the run is to be exported."""
