"""What commands print: user code's control characters do not reach the terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.text import Text

from astrum import SchedulerRegistry
from astrum.runtime.cli.commands import say
from astrum_coordinator.cli.printing import print_view
from astrum_coordinator.display.live_view import notice_text
from astrum_coordinator.display.plan_view import plan_view
from astrum_coordinator.display.progress import FAILED, Notice

HOSTILE = "\x1b[2J\x1b]0;title\x07\r\x00\x9b\u202e\u2028"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]")


class Terminal(io.StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self) -> bool:
        return True


def test_an_escape_sequence_in_a_task_id_is_shown_escaped_in_a_plan() -> None:
    registry = SchedulerRegistry("hostile")

    @registry.task(HOSTILE)
    async def nothing() -> None: ...

    out = io.StringIO()
    print_view(plan_view(registry.build_scheduler().flow()), out)
    assert not CONTROL.search(out.getvalue())
    assert "\\x1b[2J" in out.getvalue()


def test_a_views_own_colours_stay_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    print_view(Text("a\x1b[2Jb", "red"), out)
    assert "\x1b[31ma\\x1b[2Jb\x1b[0m" in out.getvalue()


def test_a_line_for_people_shows_control_characters_as_escapes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say(f"error: {HOSTILE}\n\tnext")
    said = capsys.readouterr().err
    assert not CONTROL.search(said)
    assert said.endswith("\n\tnext\n")


def test_a_failure_is_shown_on_one_line_without_control_characters() -> None:
    line = notice_text(Notice(FAILED, HOSTILE, 1, f"ValueError: {HOSTILE}", 0))
    assert not CONTROL.search(line)
    assert "\n" not in line
