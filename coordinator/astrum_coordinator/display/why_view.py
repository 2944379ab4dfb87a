"""The output of ``why``: one sentence, what it waits for in the end, and a command to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astrum.runtime.visible_text import visible_name
from astrum_coordinator.display.json_values import to_json
from astrum_coordinator.display.show_view import CHRONICLE_TEXT

if TYPE_CHECKING:
    from astrum.view import Explanation, Group
    from astrum_coordinator.display.texts import Text


def explanation_to_json(reason: Explanation) -> dict[str, Any]:
    """Return an explanation as `docs/schemas/why.json` describes it."""
    return {**to_json(reason), "code": str(reason.code)}


def why_text(reason: Explanation) -> Text:
    """Return an explanation for a terminal or a pipe; what needs a person stands out."""
    from astrum_coordinator.display.texts import Text

    style = "bold yellow" if reason.needs_person else ""
    text = Text(overflow="fold")
    text.append(_subject(reason), "bold")
    text.append(f" {visible_name(reason.sentence)} ")
    text.append(f"[{reason.code}]", style or "dim")
    width = max((len(f"{group.count:,}") for group in reason.groups), default=0)
    for group in reason.groups:
        text.append(f"\n  {group.count:>{width},} ", "bold")
        text.append(str(group.code), "bold yellow" if group.needs_person else "cyan")
        text.append(f": {visible_name(_example(group))}")
    if reason.tasks_left_out:
        word = "task" if reason.tasks_left_out == 1 else "tasks"
        text.append(f"\n  ... and {reason.tasks_left_out:,} more {word}", "dim")
    if reason.is_chronicle:
        text.append(f"\n{CHRONICLE_TEXT}", "dim")
    for command in _commands(reason):
        text.append("\nto do: ", "dim")
        text.append(visible_name(command), "bold")
    return text


def _subject(reason: Explanation) -> str:
    run = f"run {reason.run_id}"
    return f"task {reason.task_id!r} of {run}" if reason.task_id else run


def _example(group: Group) -> str:
    return f"for example {group.example}" if group.count > 1 else group.example


def _commands(reason: Explanation) -> list[str]:
    """Return what to type: for the whole first, then for each group."""
    commands = [reason.advice, *(group.advice for group in reason.groups if group.needs_person)]
    return list(dict.fromkeys(filter(None, commands)))
