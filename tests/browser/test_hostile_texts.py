"""Texts of users are shown as text, whatever they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from astrum.machine import RunState
from astrum.machine.task_log import LogLine, LogsLeftOut, TaskLog
from astrum.view.report.columns import RunColumns, run_columns
from astrum.view.report.log_rows import RunLogs
from tests.chromium import Page
from tests.made_runs import made_run

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    "<!--<script>&lt;b&gt;%%SCRIPT%%\u2028\u2029\u202e\u200f\x1b[2J\x00"
)
SHOWN = r"<!--<script>&lt;b&gt;%%SCRIPT%%\u2028\u2029\u202e\u200f\x1b[2J\x00"


def _hostile(value: Any) -> Any:
    if isinstance(value, str):
        return HOSTILE + value if value else value
    if isinstance(value, dict):
        return {key: _hostile(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_hostile(one) for one in value]
    return value


def _logs(state: RunState) -> RunLogs:
    """Return a log of each attempt, and say that more were left out."""
    line = LogLine(0.0, 30, "shop", HOSTILE)
    log = TaskLog("", (line, line), left_out=1200, left_out_after=1, is_whole=False)
    kept = {(end.task, end.attempt): log for end in state.attempt_log.settled}
    return RunLogs(kept, LogsLeftOut(17, 1.0, 64 * 1024 * 1024), not_read=3)


def _hostile_columns() -> RunColumns:
    run = made_run(100)
    columns = run_columns(run.state, run.head(), logs=_logs(run.state))
    for part in ("strings", "failures", "workers"):
        columns[part] = _hostile(columns[part])
    facts = columns["run"]
    for name in ("run_id", "namespace", "submitted_by"):
        facts[name] = HOSTILE + str(facts[name])
    facts |= {"reason": HOSTILE, "labels": {HOSTILE: HOSTILE}, "inputs": {HOSTILE: HOSTILE}}
    return columns


def test_hostile_texts_are_shown_and_do_nothing(
    page: Page, write_report: Callable[[RunColumns], Path]
) -> None:
    file = write_report(_hostile_columns())
    page.open(file)
    assert page.text("h1").count(SHOWN) == 1
    assert (
        page.text(".details").count(SHOWN) == 4
    )  # the id, who submitted it, a label and its value
    for number, tab in enumerate(("timeline", "graph", "tasks", "errors", "path"), 1):
        page.press(str(number))
        page.wait(f"location.hash.startsWith('#{tab}') && document.querySelector('#part > *')")
        if tab not in ("timeline", "graph"):
            assert SHOWN in page.text("main"), tab
    page.click("main button.link")
    page.wait("document.querySelector('.panel h2')")
    assert SHOWN in page.text(".panel h2")
    assert "Log: 1,202 lines, without the end" in page.text(".panel .log")
    page.click(".panel .log summary")
    lines = page.text(".panel .log pre").split("\n")
    assert [SHOWN in line for line in lines] == [True, False, True]
    assert (lines[1], lines[0][:8]) == ("… 1,200 lines left out", "0 ms WAR")
    assert "17 logs left out from " in page.text(".details")
    assert "(limit 64 MiB); 3 logs not in this file" in page.text(".details")
    for found in page.evaluate(
        "[...document.querySelectorAll('details')].map((d) => d.open = true)"
    ):
        assert found
    assert (
        page.evaluate("document.querySelectorAll('img, #page script, #page b script').length") == 0
    )
    assert page.evaluate("document.scripts.length") == 2
    assert page.evaluate("window.hacked === undefined")
    assert page.requests() == [file.as_uri()]


def test_data_of_a_later_format_are_refused_by_name(
    page: Page, write_report: Callable[[RunColumns], Path]
) -> None:
    columns = _hostile_columns() | {"format": "astrum.run/2"}
    page.open(write_report(columns))
    assert "astrum.run/2" in page.text("#page")
