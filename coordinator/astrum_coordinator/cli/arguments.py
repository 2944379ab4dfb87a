"""The arguments that name runs and tasks, completed by shells."""

from __future__ import annotations

import click

from astrum_coordinator.cli.completion import run_names, task_names

run_argument = click.argument("run_id", metavar="RUN", shell_complete=run_names)
"""A run as `Coordinator.find_run` finds it."""
runs_argument = click.argument("names", nargs=-1, metavar="[RUN]...", shell_complete=run_names)
task_argument = click.argument("task", metavar="TASK", shell_complete=task_names)
