"""Prints on standard output: everything that was asked for, or an error that says why not."""

from __future__ import annotations

import errno
import io
import json
import os
import select
import sys
from typing import IO, TYPE_CHECKING, Any

from astrum.runtime.standard_streams import let_go_of_stdout
from astrum.runtime.visible_text import visible_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

WIDEST = 10_000


class OutputFailed(OSError):
    """Standard output could not be written to."""


def print_text(text: str, file: IO[str] | None = None) -> bool:
    """Write a string and a line end to standard output, or to ``file``, completely.

    A character that the encoding lacks is written as an escape, and so are control characters if
    it goes to a terminal. A reader that closes the pipe early is not an error: the result is
    ``False`` then. Raises `OutputFailed` for a full disk, for example.
    """
    there = sys.stdout if file is None else file
    return _print(visible_text(text) if there.isatty() else text, there)


def _print(text: str, there: IO[str]) -> bool:
    try:
        _write_all(there, text + "\n")
    except OSError as error:
        if there is sys.stdout:
            let_go_of_stdout()
        if error.errno != errno.EPIPE:
            raise OutputFailed(error.errno, error.strerror) from None
        return False
    return True


def _write_all(file: IO[str], text: str) -> None:
    file.flush()
    try:
        number = file.fileno()
    except (OSError, ValueError):  # not a file, as in tests
        file.write(text)
        return
    encoding = file.encoding if isinstance(file, io.TextIOWrapper) else "utf-8"
    rest = memoryview(text.encode(encoding, "backslashreplace"))
    while rest:
        try:
            rest = rest[os.write(number, rest) :]
        except BlockingIOError:  # another process that shares the output made it non-blocking
            select.select([], [number], [])


def print_json(value: Any, file: IO[str] | None = None, *, indent: int | None = None) -> bool:
    """Write one JSON value and a line end to standard output, or to ``file``; as `print_text`."""
    # ASCII can be written to every output, and so can the halves of broken surrogate pairs.
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent)
    return print_text(text, file)


def print_view(view: Any, file: IO[str] | None = None) -> bool:
    """Print a table, or anything else that rich draws, to standard output or to ``file``.

    Control characters in it are shown as escapes. Returns as `print_text`.
    """
    from rich.console import Console

    there = sys.stdout if file is None else file
    is_terminal = there.isatty()
    drawn = _Drawing(getattr(there, "encoding", None))
    # Output to a pipe is not cut to a width: programs that read columns need whole ids.
    width = None if is_terminal else WIDEST
    Console(file=drawn, force_terminal=is_terminal or None, width=width).print(Visible(view))
    return _print(drawn.getvalue().removesuffix("\n"), there)


class Visible:
    """A view whose texts have no control characters; its own colours stay."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for text, style, control in console.render(self._view, options):
            yield Segment(text if control else visible_text(text), style, control)


class _Drawing(io.StringIO):
    """A buffer with the encoding of the output, which decides how rich draws lines."""

    def __init__(self, encoding: str | None) -> None:
        super().__init__()
        self._encoding = encoding or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the output."""
        return self._encoding


def print_table(table: Any, instead: str = "") -> bool:
    """Print a table to standard output, or a sentence if there is nothing in it."""
    return print_text(instead) if instead else print_view(table)
