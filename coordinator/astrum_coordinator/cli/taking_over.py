"""The options with which a new run takes over results of an earlier one, and what they print."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import option
from astrum_coordinator.cli.completion import run_names
from astrum_coordinator.cli.options import checked_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.asking.taking_over import FromRun, TakeOver

Command = TypeVar("Command", bound=Callable[..., Any])

MOST_REASONS = 10


class FromArguments(NamedTuple):
    """The earlier run as a command line names it, and the tasks of which the user knows better."""

    run_id: str
    trust: tuple[str, ...] = ()
    again: tuple[str, ...] = ()

    async def wish(self, coordinator: Coordinator, *, is_quiet: bool = False) -> FromRun:
        """Return it as a coordinator takes it, with a function that says what is taken over."""
        from astrum_coordinator.asking.taking_over import FromRun

        wish = FromRun(await coordinator.find_run(self.run_id), self.trust, self.again)
        return wish if is_quiet else wish._replace(tell=tell)


_OPTIONS = (
    option(
        "--from",
        "from_id",
        metavar="RUN",
        callback=checked_run_id,
        shell_complete=run_names,
        help="Take over what that run has succeeded in, as far as code, inputs and upstream tasks "
        "are the same; inputs that are not given are those of RUN.",
    ),
    option(
        "--trust",
        multiple=True,
        metavar="TASK",
        help="With --from: take over this task in spite of other code. Repeatable.",
    ),
    option(
        "--again",
        multiple=True,
        metavar="TASK",
        help="With --from: run this task or child, and with it all that needs it. Repeatable.",
    ),
)


def from_options(command: Command) -> Command:
    """Declare these options; the command gets them as ``from_run``, a `FromArguments` or None."""

    @wraps(command)
    def with_earlier_run(
        *args: Any, from_id: str | None, trust: tuple[str, ...], again: tuple[str, ...], **rest: Any
    ) -> Any:
        if from_id is None and (trust or again):
            name = "--trust" if trust else "--again"
            raise click.UsageError(f"{name} is about an earlier run: name it by --from RUN")
        from_run = None if from_id is None else FromArguments(from_id, trust, again)
        return command(*args, from_run=from_run, **rest)

    declared: Any = with_earlier_run
    for declare in reversed(_OPTIONS):
        declared = declare(declared)
    return declared  # type: ignore[no-any-return]


def tell(found: TakeOver) -> None:
    """Say what is taken over, and why the first of the other tasks run."""
    for line in lines(found):
        say(line)


def lines(found: TakeOver) -> Iterator[str]:
    """Yield what is taken over, for people.

    >>> from astrum_coordinator.asking.taking_over import TakeOver
    >>> print(*lines(TakeOver("july", "open", {"a": "", "b": "you said so"}, ("day",))), sep="\\n")
    1 of 2 tasks is taken over from run july, which is open: only what has succeeded by now
    inputs from run july: 'day'
    task 'b' runs: you said so
    """
    from astrum.errors import listed
    from astrum_coordinator.display.report_view import count_text

    count, total = len(found.tasks), len(found.reasons)
    is_open = ", which is open: only what has succeeded by now" if found.state == "open" else ""
    verb = "is" if count == 1 else "are"
    yield (
        f"{count:,} of {count_text(total, 'task')} {verb} taken over from run {found.run_id}"
        f"{is_open}"
    )
    if found.inputs:
        yield f"inputs from run {found.run_id}: {listed(found.inputs, MOST_REASONS)}"
    runs = [(task, reason) for task, reason in found.reasons.items() if reason]
    for task, reason in runs[:MOST_REASONS]:
        yield f"task {task!r} runs: {reason}"
    if len(runs) > MOST_REASONS:
        more = count_text(len(runs) - MOST_REASONS, "more task")
        yield f"... and {more}: `plan --from {found.run_id}` shows all"


def reason_table(found: TakeOver) -> Table:
    """Return a row for each task: whether it is taken over, or why it runs."""
    from astrum_coordinator.display.report_view import plain_table
    from astrum_coordinator.display.texts import Text

    table = plain_table("Task", f"From run {found.run_id}", "")
    for task, reason in found.reasons.items():
        style = "cyan" if reason else "green"
        table.add_row(Text(task), Text("runs" if reason else "taken over", style), Text(reason))
    return table


def to_json(found: TakeOver) -> dict[str, Any]:
    """Return what is taken over as a value for JSON."""
    return {
        "run_id": found.run_id,
        "state": found.state,
        "inputs": list(found.inputs),
        "tasks": [
            {"task": task, "taken_over": not reason, "reason": reason or None}
            for task, reason in found.reasons.items()
        ],
    }
