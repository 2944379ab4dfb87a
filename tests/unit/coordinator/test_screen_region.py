"""Lines that are drawn again in place, on the screen of a terminal."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from astrum_coordinator.display.screen_region import ScreenRegion
from tests.screen import Screen


class Drawn:
    """A region on a terminal of 30 columns and 8 lines."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, force_terminal=True, width=30, height=8, color_system=None
        )
        self.region = ScreenRegion(self.console)
        self.screen = Screen(30, 8)

    def __enter__(self) -> Drawn:
        self.region.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.region.close()

    def draw(self, *lines: str) -> str:
        self.region.draw([[(line, "default")] for line in lines])
        return self.seen()

    def seen(self) -> str:
        self.screen.feed(self.file.getvalue())
        self.file.seek(0)
        self.file.truncate()
        return self.screen.text


@pytest.fixture
def drawn() -> Drawn:
    return Drawn()


def test_lines_are_replaced_in_place(drawn: Drawn) -> None:
    with drawn:
        assert drawn.draw("one", "two", "three") == "one\ntwo\nthree"
        assert drawn.draw("four") == "four"
        assert drawn.draw("five", "six") == "five\nsix"
    assert drawn.seen() == ""
    assert drawn.screen.scrolled_off == []


def test_prints_appear_above_and_stay(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with drawn:
        drawn.draw("view 1", "view 2")
        drawn.console.print("a failure")
        sys.stderr.write("a log line\n")
        assert drawn.seen() == "a failure\na log line\nview 1\nview 2"
    assert drawn.seen() == "a failure\na log line"
    assert sys.stderr is log


def test_a_line_that_is_too_wide_is_cut(drawn: Drawn) -> None:
    with drawn:
        assert drawn.draw("x" * 50, "y") == f"{'x' * 30}\ny"
        assert drawn.draw("z") == "z"


def test_nothing_is_left_of_lines_that_a_narrower_terminal_wrapped(drawn: Drawn) -> None:
    with drawn:
        drawn.draw("a" * 25, "b" * 5, "c" * 30)
        drawn.seen()
        # The terminal is 10 columns wide now: what was drawn takes 3 + 1 + 3 rows.
        drawn.console.width = 10
        drawn.screen = Screen(10, 8)
        drawn.screen.feed("above\n" + "a" * 25 + "\n" + "b" * 5 + "\n" + "c" * 30)
        assert drawn.draw("new") == "above\nnew"
