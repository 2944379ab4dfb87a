"""Lines at the bottom of a terminal that are drawn again in place; what is printed goes above."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.file_proxy import FileProxy
from rich.segment import ControlType, Segment

from astrum.runtime.whole_lines import BegunLines

Line = Sequence[tuple[str, str]]
"""One line of a view, as parts of text, each with the name of a style."""
_IS_CONTROL = [(ControlType.CARRIAGE_RETURN,)]
"""Marks a segment as one that takes no room; which code it has does not matter."""


class ScreenRegion(RenderHook):
    """Some lines of a terminal, none wider than it. Use it from one thread; prints may be anywhere.

    While it is open, what is written to standard error, and to standard output if that is the
    terminal too, appears above the lines. After a change of the terminal's width the lines may
    take more rows than were drawn: terminals wrap what does not fit any more. So the rows to erase
    are counted again for each drawing.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._lines: Sequence[Line] = ()
        self._drawn: list[int] = []
        self._replaced: list[tuple[str, _LinesAbove]] = []

    def open(self) -> None:
        """Hide the cursor and let other output go above the lines."""
        self._console.show_cursor(False)
        self._redirect("stderr")
        if _is_terminal(sys.stdout):  # output to a file stays there
            self._redirect("stdout")
        self._console.push_render_hook(self)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines instead of the ones before."""
        self._lines = lines
        self._console.print(Control())

    def close(self) -> None:
        """Remove the lines; what was printed above them stays."""
        try:
            self.draw(())
        finally:
            self._console.pop_render_hook()
            for name, lines in self._replaced:
                setattr(sys, name, lines.rich_proxied_file)
                lines.end()
            self._console.show_cursor(True)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Put a print between the removal of the lines and their drawing."""
        return [_Part(self._erase), *renderables, _Part(self._draw)]

    def _redirect(self, name: str) -> None:
        stream = getattr(sys, name)
        if not isinstance(stream, FileProxy):
            lines = _LinesAbove(self._console, stream)
            self._replaced.append((name, lines))
            setattr(sys, name, cast("TextIO", lines))

    def _erase(self, width: int) -> Iterable[Segment]:
        with self._lock:
            rows = sum(max(-(-cells // width), 1) for cells in self._drawn)
            self._drawn = []
        if rows:
            up = f"\x1b[{rows - 1}A" if rows > 1 else ""
            yield Segment(f"\r{up}\x1b[J", None, _IS_CONTROL)

    def _draw(self, width: int) -> Iterable[Segment]:
        get_style = self._console.get_style
        lines = [
            Segment.adjust_line_length(
                [Segment(text, get_style(style)) for text, style in line], width, pad=False
            )
            for line in self._lines
        ]
        with self._lock:
            self._drawn = [Segment.get_line_length(line) for line in lines]
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line


class _LinesAbove(FileProxy):
    """Stands for a stream whose lines appear above those of the view, each thread's whole."""

    def __init__(self, console: Console, stream: TextIO) -> None:
        super().__init__(console, stream)
        self._begun = BegunLines()

    def write(self, text: str) -> int:
        """Write what is complete with this text."""
        lines, end, rest = text.rpartition("\n")
        if end:
            super().write(self._begun.take() + lines + end)
        if rest:
            self._begun.add(rest)
        return len(text)

    def flush(self) -> None:
        """Write what this thread has begun, as a line."""
        if text := self._begun.take():
            super().write(text + "\n")

    def end(self) -> None:
        """Write what is begun to the stream itself, where its line may go on."""
        self.rich_proxied_file.write("".join(self._begun.take_all()))


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):  # user code has put something else there, or closed it
        return False


class _Part:
    """A step of the drawing, done while a print is rendered."""

    def __init__(self, step: Callable[[int], Iterable[Segment]]) -> None:
        self._step = step

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._step(options.size.width)
