"""Tables whose rows have notes, and the width of the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from astrum_coordinator.display.texts import NotedTable

LONG = "no worker serves task 'find': there is no live worker: start one with astrum-worker MODULE"


def drawn(width: int, *notes: str) -> list[str]:
    table = NotedTable("Run", "State")
    table.add_row("july", "stalled", notes=notes)
    table.add_row("june", "completed")
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_notes_are_a_column_where_there_is_room_for_them() -> None:
    assert drawn(200, LONG, "needs code 1")[2:] == [
        f" july   stalled     {LONG}; needs code 1",
        " june   completed",
    ]


def test_notes_that_are_too_long_for_the_terminal_follow_the_table() -> None:
    lines = drawn(60, LONG, "copy: 1 of 2\n3 of 4")
    assert lines[2:4] == [" july   stalled", " june   completed"]
    assert " ".join(lines[4:-1]) == f"july: {LONG}"
    assert lines[-1] == r"july: copy: 1 of 2\n3 of 4"
    assert max(map(len, lines)) <= 60


def test_a_table_without_notes_has_no_column_for_them() -> None:
    assert drawn(60, "") == drawn(60)
    assert drawn(60)[0] == " Run    State"
