"""Text and tables for a terminal, made of names and messages that user code has chosen.

Control characters become escapes before anything is measured. Later would be too late: rich leaves
some of them out, and cuts lines to the width that it has computed.
"""

from __future__ import annotations

from typing import Self

from rich import box
from rich.console import OverflowMethod, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text as RichText

from astrum.runtime.visible_text import visible_name, visible_text


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


def _one_line(cell: RenderableType) -> RichText:
    if isinstance(cell, RichText):
        return RichText(visible_name(cell.plain), cell.style)
    if isinstance(cell, str):
        return RichText(visible_name(cell))
    raise TypeError(f"a cell is text, not {type(cell).__name__}")
