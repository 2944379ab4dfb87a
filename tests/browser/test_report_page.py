"""What a reader does with a report in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from astrum.machine import (
    AttemptSettled,
    Failure,
    Outcome,
    RetryFellDue,
    RunState,
    RunTimes,
)
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.view.report.columns import RunColumns, run_columns
from astrum.view.report.comparing import compared
from astrum.view.report.run_head import RunHead
from astrum_coordinator.display.report_page import report_page
from tests.chromium import Page
from tests.made_runs import MadeRun, made_plan

pytestmark = pytest.mark.browser
TABS = ("timeline", "graph", "tasks", "errors", "path")

Reports = Callable[[int], Path]

_PIXELS = """
    const canvas = document.querySelector('canvas.board');
    const {width, height} = canvas;
    const copy = new OffscreenCanvas(width, height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const {data} = copy.getImageData(0, 0, width, height);
"""
_COLORS = f"""(() => {{
    {_PIXELS}
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) seen.add([data[i], data[i + 1], data[i + 2]].join());
    return seen.size;
}})()"""


def _find_color(red: int, green: int, blue: int) -> str:
    """Return the place in the window of a pixel of the canvas that has this color."""
    return f"""(() => {{
        {_PIXELS}
        const {{x, y}} = canvas.getBoundingClientRect();
        for (let i = 0; i < data.length; i += 4) {{
            if (data[i] === {red} && data[i + 1] === {green} && data[i + 2] === {blue}) {{
                return [x + i / 4 % width, y + Math.floor(i / 4 / width)];
            }}
        }}
        return null;
    }})()"""


SUCCEEDED = (0x4A, 0x86, 0xB8)
FAILED = (0xD1, 0x48, 0x0F)


def test_a_report_says_in_words_what_ran_and_asks_for_nothing(
    page: Page, report_of: Reports
) -> None:
    file = report_of(100)
    page.open(file)
    assert "nightly failed after" in page.text("h1") or "nightly completed" in page.text("h1")
    assert "tasks:" in page.text(".counts")
    assert "First failure" in page.text(".first")
    page.wait(f"{_COLORS} > 8")
    assert page.requests() == [file.as_uri()]


def test_a_failure_that_was_tried_again_is_not_told_as_one_of_the_run(
    page: Page, write_report: Callable[[RunColumns], Path]
) -> None:
    state = RunState(Plan("nightly", (TaskSpec("load", retry=RetryPolicy(1)),)), run_key="r")
    state.start()
    failure = Failure(("builtins.OSError", "builtins.Exception"), "busy")
    state.handle(AttemptSettled(0, 1, Outcome.FAILED, 1.0, 2.0, 2.0, "w", failure))
    state.handle(RetryFellDue(0, 2))
    state.handle(AttemptSettled(0, 2, Outcome.SUCCEEDED, 3.0, 4.0, 4.0, "w", None))
    assert state.finished == "completed"
    times = RunTimes(0.0, 0.0, 5.0)
    head = RunHead(
        run_id="r", state="completed", times=times, taken_at=5.0, is_over=True, version="1"
    )
    page.open(write_report(run_columns(state, head)))
    first = " ".join(page.text(".first").split())
    assert first == "First failed attempt, tried again: load OSError: busy"


def test_each_tab_has_its_part_by_key_and_keeps_it_in_the_address(
    page: Page, report_of: Reports
) -> None:
    page.open(report_of(100))
    for number, tab in enumerate(TABS, 1):
        page.press(str(number))
        page.wait(f"document.querySelector('#tab-{tab}').ariaSelected === 'true'")
        page.wait(f"location.hash === '#{tab}'")
        assert len(page.text("main")) > 20
    page.evaluate("history.back()")
    page.wait("location.hash === '#errors' && document.querySelector('.errors article')")


def test_arrows_and_enter_open_an_attempt_and_escape_goes_back(
    page: Page, report_of: Reports
) -> None:
    page.open(report_of(100))
    page.evaluate("document.querySelector('canvas.board').focus()")
    page.press("ArrowRight")
    said = page.wait("document.querySelector('#timeline-said').textContent")
    page.press("ArrowRight", "ArrowDown")
    page.wait(f"document.querySelector('#timeline-said').textContent !== {said!r}")
    page.press("Enter")
    page.wait("document.querySelector('.panel h2') === document.activeElement")
    assert "Attempt 1" in page.text(".panel")
    assert "transfer" in page.text(".panel dl")
    page.press("Escape")
    page.wait("document.activeElement.matches('canvas.board')")
    assert page.evaluate("document.querySelector('.panel')") is None


def test_a_click_on_a_bar_opens_its_task_and_needs_are_links(
    page: Page, report_of: Reports
) -> None:
    page.open(report_of(100))
    x, y = page.wait(_find_color(*FAILED))
    page.click_at(x + 1, y + 1)
    page.wait("document.querySelector('.panel h2')")
    assert "failed" in page.text(".panel .attempts")
    name = page.text(".panel h2")
    page.click(".panel .links button.link")
    page.wait(f"document.querySelector('.panel h2').innerText !== {name!r}")
    assert page.evaluate("location.hash").startswith("#timeline/t")


def test_the_wheel_and_a_drag_move_what_the_timeline_shows(page: Page, report_of: Reports) -> None:
    page.open(report_of(100))
    picture = "document.querySelector('canvas.board').toDataURL()"
    first = page.evaluate(picture)
    page.mouse("mouseWheel", 700, 400, deltaX=0, deltaY=-300)
    page.wait(f"{picture} !== {first!r}")
    zoomed = page.evaluate(picture)
    page.mouse("mouseMoved", 700, 400)
    page.mouse("mousePressed", 700, 400, button="left", buttons=1, clickCount=1)
    page.mouse("mouseMoved", 500, 400, button="left", buttons=1)
    page.mouse("mouseReleased", 500, 400, button="left", clickCount=1)
    page.mouse("mouseMoved", 5, 5)
    page.wait(f"{picture} !== {zoomed!r}")
    assert page.evaluate("document.querySelector('.panel')") is None
    page.click(".tools button", "Whole run")
    page.wait(f"{picture} === {first!r}")


def test_a_filter_finds_tasks_by_name_state_and_error(page: Page, report_of: Reports) -> None:
    page.open(report_of(100))
    page.press("3", "/")
    page.wait("document.activeElement.matches('input[type=search]')")
    rows = "document.querySelectorAll('.tasks tbody tr:not(.spacer)').length"
    page.wait(f"{rows} > 20")
    page.call("Input.insertText", text="publish")
    page.wait(f"{rows} === 1")
    assert "1 of " in page.text(".found")
    page.evaluate("document.activeElement.select()")
    page.call("Input.insertText", text="KEYERROR failed")
    page.wait(f"{rows} === 1 && document.querySelector('.tasks tbody').innerText.includes('check')")
    page.evaluate("document.activeElement.select()")
    page.call("Input.insertText", text="no such words")
    page.wait("document.querySelector('.tasks .empty')")


def test_the_table_sorts_and_has_only_rows_in_sight(page: Page, report_of: Reports) -> None:
    page.open(report_of(10_000))
    page.press("3")
    rows = "document.querySelectorAll('.tasks tbody tr:not(.spacer)').length"
    page.wait(f"{rows} > 10")
    assert page.evaluate(rows) < 120
    page.click(".tasks thead button", "Ran")
    page.click(".tasks thead button", "Ran")
    page.wait("document.querySelector('.tasks th[aria-sort=descending]')")
    first = "document.querySelector('.tasks tbody tr').innerText"
    page.wait(f"{first}.includes(' s')")
    page.evaluate("document.querySelector('.tasks .scroll').scrollTop = 1e9")
    page.wait("document.querySelector('.tasks tbody tr:last-child').ariaRowIndex > 9000")


def test_equal_tasks_are_one_node_and_its_list_can_be_searched(
    page: Page, report_of: Reports
) -> None:
    page.open(report_of(10_000))
    page.press("2")
    page.wait("document.querySelector('.graph canvas.board')")
    page.evaluate("document.querySelector('canvas.board').focus()")
    found = "document.querySelector('#graph-said').textContent"
    for key in ("Right", "Right", "Right", "Up", "Down", "Down", "Down", "Down"):
        page.press(f"Arrow{key}")
        if "parse" in page.wait(found):
            break
    assert "× 8,000" in page.evaluate(found)
    page.press("Enter")
    page.wait("document.querySelector('.panel .rows')")
    assert "showing 500 of 8,000" in page.text(".panel")
    page.evaluate("document.querySelector('.panel input').focus()")
    page.call("Input.insertText", text="[17]")
    page.wait("document.querySelectorAll('.panel .rows li').length === 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_tab_is_accessible_in_both_schemes(
    page: Page, report_of: Reports, axe: str, scheme: str
) -> None:
    page.prefer(scheme, "reduce")
    page.open(report_of(100))
    page.evaluate(axe + "; 1")
    for number in range(1, 6):
        page.press(str(number))
        page.wait(f"location.hash.startsWith('#{TABS[number - 1]}')")
        if number == 3:
            page.click(".tasks tbody button.link")
            page.wait("document.querySelector('.panel')")
        found = page.evaluate(
            "axe.run().then((all) => all.violations.map(({id, impact, nodes}) =>"
            " [id, impact, nodes.slice(0, 3).map((node) => node.html.slice(0, 160))]))"
        )
        assert found == [], (TABS[number - 1], found)


def test_what_changed_since_another_run_has_a_tab_of_its_own(
    page: Page, tmp_path: Path, axe: str
) -> None:
    before, after = (run_columns(run.state, run.head()) for run in map(_made, (7, 8)))
    file = tmp_path / "run.html"
    file.write_text(report_page(after, compared(before, after)), encoding="utf-8")
    page.open(file)
    page.press("6")
    page.wait("location.hash === '#compare' && document.querySelector('main table')")
    assert "than run 20260921-131320-made" in page.text("main") or "about as" in page.text("main")
    assert "list_pages" in page.text("main tbody")
    page.evaluate(axe + "; 1")
    assert page.evaluate("axe.run().then((all) => all.violations.map(({id}) => id))") == []
    page.click("main tbody button.link")
    page.wait("document.querySelector('.panel h2')")
    page.resize(400, 800)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.press("Escape", "1", "6")
    page.wait("document.querySelector('#tab-compare').getBoundingClientRect().right <= 400")


def _made(seed: int) -> MadeRun:
    return MadeRun(made_plan(100), children=80, seed=seed).lead()


def test_schemes_change_the_page_and_its_canvases_at_once(page: Page, report_of: Reports) -> None:
    page.open(report_of(100))
    page.wait(_find_color(*SUCCEEDED))
    page.prefer("dark")
    page.wait(_find_color(0x5B, 0x9B, 0xD0))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 20)"


def test_a_narrow_window_needs_no_sideways_scrolling(page: Page, report_of: Reports) -> None:
    page.resize(400, 800)
    page.open(report_of(100))
    for number in range(1, 6):
        page.press(str(number))
        page.wait(f"location.hash.startsWith('#{TABS[number - 1]}')")
        assert page.evaluate("document.documentElement.scrollWidth") == 400, TABS[number - 1]
