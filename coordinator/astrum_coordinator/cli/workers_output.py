"""Shows the output of local workers in the command that started them."""

from __future__ import annotations

import asyncio
import sys
from typing import IO

from astrum.runtime.cli.json_logs import JsonStream
from astrum.runtime.standard_streams import SteadyStream, say_line

LOOK_EVERY_S = 0.02


def show_output(line: str) -> None:
    """Show a line of a worker's standard output."""
    _show(line, sys.stdout)


def show_log(line: str) -> None:
    """Show a line of a worker's standard error."""
    _show(line, sys.stderr)


def _show(line: str, stream: IO[str]) -> None:
    if isinstance(stream, JsonStream):
        stream.pass_on(line)
    elif isinstance(stream, SteadyStream):
        stream.post(line + "\n")
    else:  # a live view, above which it appears
        say_line(line, stream)


async def until_there_is_room() -> None:
    """Wait while a slow reader catches up, but not for one that has stopped reading."""
    while any(_is_crowded(stream) for stream in (sys.stdout, sys.stderr)):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY_S)


def _is_crowded(stream: object) -> bool:
    stream = stream.raw if isinstance(stream, JsonStream) else stream
    if not isinstance(stream, SteadyStream):
        return False
    return stream.writer.is_crowded and not stream.writer.is_stuck
