"""Graphs as text, for terminals and logs; bounded, so that a huge graph stays readable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from astrum.runtime.visible_text import visible_name

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.tree import Tree

    from astrum.data_transport.bindings import Binding

MAX_NAMES = 12
MAX_ROWS = 1_000
MAX_TREE_TASKS = 500
WIDTH = 100


def stage_text(rows: Iterable[Sequence[Sequence[str]]], total: int) -> str:
    """Return the first of ``total`` stages as a table of text.

    A row has three lists of tasks: those that the stage waits for, starts, and has running.
    """
    table = _table("Execution plan", "Stage", "Waits for", "Starts", "Running")
    for stage_id, tasks in enumerate(islice(rows, MAX_ROWS)):
        table.add_row(str(stage_id), *map(_join, tasks))
    return _render(table) + _left_out(total, MAX_ROWS, "stages")


def dependency_lines(needs: Mapping[str, Sequence[str]]) -> str:
    """Return one line per task: ``load <- extract``, or the bare name without dependencies."""
    lines = [f"{name} <- {_join(up)}" if up else name for name, up in needs.items()]
    return "\n".join(lines)


def task_tree(
    title: str,
    needs: Mapping[str, Sequence[str]],
    label_of: Callable[[str], str] = str,
    is_optional: Callable[[str, str], bool] = lambda _name, _need: False,
) -> Tree:
    """Return the graph as a tree; a task with several needs is shown below the last of them.

    ``needs`` must be in upstream-first order; the first 500 tasks are shown. A "?" marks a need
    that ``is_optional``: it may end in any way.
    """
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(visible_name(title)))
    nodes: dict[str, Tree] = {}
    for name, upstream in list(needs.items())[:MAX_TREE_TASKS]:
        # A task hangs below the last that it needs, or else below the last that may fail.
        *others, parent = sorted(upstream, key=lambda up: not is_optional(name, up)) or (None,)
        label = label_of(name)
        if parent is not None and is_optional(name, parent):
            label = f"? {label}"
        if others:
            marked = [f"{up}?" if is_optional(name, up) else up for up in others if up]
            label = f"{label}  (also after {_join(marked)})"
        above = root if parent is None else nodes[parent]
        nodes[name] = above.add(Text(visible_name(label)))
    if len(needs) > MAX_TREE_TASKS:
        root.add(Text(f"... {len(needs) - MAX_TREE_TASKS} more tasks"))
    return root


def transport_table(bindings: Iterable[tuple[str, Binding]]) -> Table:
    """Return a table of (task, where one of its parameters comes from)."""
    table = _table("Data transport", "Task", "Parameter", "From", "Field")
    for row, (task_id, binding) in enumerate(bindings):
        if row == MAX_ROWS:
            break
        is_input = binding.origin == "input"
        path = ".".join(map(str, binding.path)) or ("(whole)" if is_input else "(whole result)")
        source = f"input {binding.source}" if is_input else binding.source
        table.add_row(*map(_plain, (task_id, str(binding.parameter), source, path)))
    return table


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.ASCII2)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _render(renderable: RenderableType) -> str:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=WIDTH, no_color=True, force_terminal=False).print(renderable)
    return out.getvalue().rstrip()


def _join(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return _plain(f"{shown} and {more} more" if more > 0 else shown or "-")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(visible_name(text))  # a task may be called "load[2024]"


def _left_out(total: int, limit: int, what: str) -> str:
    return f"\n... {total - limit} more {what}" if total > limit else ""
