"""The screen of a terminal, made from what was written to it."""

from __future__ import annotations

import pyte


class Screen:
    """A terminal with a memory of the lines that scrolled off its top."""

    def __init__(self, width: int, height: int) -> None:
        self._screen = pyte.HistoryScreen(width, height, history=10_000, ratio=0.5)
        self._screen.set_mode(pyte.modes.LNM)  # a terminal driver adds the carriage returns
        self._stream = pyte.Stream(self._screen)

    def feed(self, text: str) -> None:
        """Take in what a program wrote."""
        self._stream.feed(text)

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without spaces at the ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.lines).rstrip("\n")

    @property
    def scrolled_off(self) -> list[str]:
        """The lines that are above the screen now."""
        rows = self._screen.history.top
        width = self._screen.columns
        return ["".join(row[x].data for x in range(width)).rstrip() for row in rows]
