"""What commands print: user code's control characters do not reach the terminal."""

from __future__ import annotations

import inspect
import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import astrum_coordinator
from astrum import SchedulerRegistry
from astrum.runtime.cli.commands import say
from astrum.view.why.codes import Code
from astrum.view.why.explanation import Explanation
from astrum_coordinator.cli.printing import print_text, print_view
from astrum_coordinator.display.live_view import notice_text
from astrum_coordinator.display.plan_view import plan_view
from astrum_coordinator.display.progress import FAILED, Notice
from astrum_coordinator.display.report_view import error_lines, plain_table
from astrum_coordinator.display.texts import Text
from astrum_coordinator.display.why_view import why_text

HOSTILE = "\x1b[2J\x1b]0;title\x07\r\x00\x9b\u202e\u2028"
SHOWN = r"\x1b[2J\x1b]0;title\x07\x0d\x00\x9b\u202e\u2028"
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


def test_no_name_in_a_table_looks_like_a_row_or_moves_a_column() -> None:
    out, table = io.StringIO(), plain_table("Task", "Status", "Worker")
    table.add_row(Text(f"a\n  forged\t{HOSTILE}\x07"), Text("failed", "red"), "w\n[bold]\x07")
    table.add_row(Text("b"), Text("completed"), Text("wx"))
    print_view(table, out)
    first, second = out.getvalue().splitlines()[-3:-1]
    assert first.strip() == rf"a\n  forged\t{SHOWN}\x07   failed      w\n[bold]\x07"
    assert first.index("failed") == second.index("completed")
    assert first.rindex("w\\n") == second.index("wx")


def test_text_is_measured_as_it_is_shown() -> None:
    out = io.StringIO()
    print_view(Text(f"msg {HOSTILE} end"), out)
    assert out.getvalue() == f"msg {SHOWN} end\n"


def test_every_text_for_the_terminal_is_made_visible_first() -> None:
    """Rich's own class would lose characters before they can be shown."""
    package = Path(inspect.getfile(astrum_coordinator)).parent
    sources = {path.name: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert [name for name, source in sources.items() if "rich.text" in source] == ["texts.py"]


def test_a_reason_with_line_ends_is_one_line() -> None:
    report: Any = SimpleNamespace(error_summary=["the run was cancelled: a\ntask 'b' failed: \x07"])
    assert error_lines(report) == [r"the run was cancelled: a\ntask 'b' failed: \x07"]


def test_text_is_raw_in_a_file_and_visible_on_a_terminal() -> None:
    file, terminal = io.StringIO(), Terminal()
    assert print_text(f"row,{HOSTILE}\nnext", file)
    assert print_text(f"row,{HOSTILE}\nnext", terminal)
    assert file.getvalue() == f"row,{HOSTILE}\nnext\n"
    assert not CONTROL.search(terminal.getvalue())
    assert terminal.getvalue().count("\n") == 2


def test_no_message_looks_like_advice_of_why() -> None:
    forged = "waits\nto do: forged\x07"
    reason = Explanation(code=Code.WAITS_UPSTREAM, sentence=forged, run_id="r", advice=forged)
    out = io.StringIO()
    print_view(why_text(reason), out)
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        rf"run r waits to do: forged\x07 [{Code.WAITS_UPSTREAM}]",
        r"to do: waits\nto do: forged\x07",
    ]
