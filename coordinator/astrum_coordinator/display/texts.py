"""Text and tables for a terminal, made of names and messages that user code has chosen.

Control characters become escapes before anything is measured. Later would be too late: rich leaves
some of them out, and cuts lines to the width that it has computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from rich import box
from rich.console import Console, ConsoleOptions, OverflowMethod, RenderableType, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text as RichText

from astrum.runtime.visible_text import visible_name, visible_text

_WIDEST = 10_000


class Text(RichText):
    """Text without control characters but line ends and tabs; to be used in place of rich's."""

    def __init__(
        self,
        text: str = "",
        style: str | Style = "",
        *,
        overflow: OverflowMethod | None = None,
        no_wrap: bool | None = None,
    ) -> None:
        super().__init__(visible_text(text), style, overflow=overflow, no_wrap=no_wrap)

    def append(self, text: RichText | str, style: str | Style | None = None) -> Self:
        """Add text at the end."""
        super().append(visible_text(text) if isinstance(text, str) else text, style)
        return self


class PlainTable(Table):
    """A table in the one style of this command line, each cell of which is one paragraph.

    A line end in a name is shown as an escape: what follows it would look like another row.
    """

    def __init__(self, *columns: str) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            self.add_column(visible_name(name), overflow="fold")

    def add_row(
        self,
        *cells: RenderableType | None,
        style: str | Style | None = None,
        end_section: bool = False,
    ) -> None:
        """Add a row; a cell is a string, shown as it is, or a `Text`."""
        shown = [cell if cell is None else _one_line(cell) for cell in cells]
        super().add_row(*shown, style=style, end_section=end_section)


class NotedTable:
    """A table whose rows have a note each, in a last column without a name.

    Where that would make a line too long for the terminal, the notes follow the table, each on
    lines of its own that begin with the first cell of its row.
    """

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self._rows: list[tuple[tuple[RichText, ...], list[str]]] = []

    def add_row(self, *cells: RichText | str, notes: Iterable[str] = ()) -> None:
        """Add a row; empty notes are left out."""
        self._rows.append((tuple(map(_one_line, cells)), list(filter(None, notes))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table as wide as the terminal allows."""
        wide = self._table(with_notes=True)
        room = options.update(max_width=_WIDEST)
        if console.measure(wide, options=room).maximum <= options.max_width:
            yield wide
            return
        yield self._table(with_notes=False)
        for cells, notes in self._rows:
            for note in notes:
                yield Text(f"{cells[0].plain}: {visible_name(note)}", overflow="fold")

    def _table(self, *, with_notes: bool) -> PlainTable:
        with_notes = with_notes and any(notes for _, notes in self._rows)
        table = PlainTable(*self._columns, *([""] if with_notes else []))
        table.columns[0].no_wrap = True
        for cells, notes in self._rows:
            table.add_row(*cells, *(["; ".join(notes)] if with_notes else []))
        return table


def _one_line(cell: RenderableType) -> RichText:
    if isinstance(cell, RichText):
        return RichText(visible_name(cell.plain), cell.style)
    if isinstance(cell, str):
        return RichText(visible_name(cell))
    raise TypeError(f"a cell is text, not {type(cell).__name__}")
