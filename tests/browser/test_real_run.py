"""The report of a real run, from the command line to the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.chromium import Page
from tests.integration.cli.conftest import complete

pytestmark = pytest.mark.browser

FLOW = """
import time

from astrum import DROP, Each, F, Ref, RetryPolicy, current_attempt, task


@task("list")
def list_pages() -> list[int]:
    return list(range(12))


@task("parse", retry=RetryPolicy(max_retries=1, delay=0.01), on_failure="continue")
def parse(page: Ref[int, Each("list")]) -> int:
    if page == 3 and current_attempt().attempt == 1:
        raise TimeoutError("the page is slow")
    if page == 7:
        raise ValueError("<b>no page 7</b>")
    return page


@task("merge")
def merge(pages: Ref[list[int], F("parse", default=DROP)]) -> int:
    time.sleep(0.02)  # long enough to be a part of the path, whose times are whole milliseconds
    return sum(pages)
"""


def test_what_the_command_line_wrote_is_what_the_page_shows(page: Page, tmp_path: Path) -> None:
    (tmp_path / "report_page_flow.py").write_text(FLOW)
    command = [sys.executable, "-m", "astrum_coordinator", "run", "report_page_flow.py"]
    done = complete([*command, "--quiet", "-o", "run.html"], tmp_path)
    assert done.returncode == 1, done.stderr
    file = tmp_path / "run.html"
    page.open(file)
    data = json.loads(page.evaluate("document.getElementById('run').textContent"))
    assert "failed after" in page.text("h1")
    assert data["run"]["counts"] | {"completed": 13, "failed": 1} == data["run"]["counts"]
    counts = " ".join(page.text(".counts").split())
    assert "14 tasks:" in counts
    assert "1 failed" in counts
    assert "13 completed" in counts
    page.press("3", "/")
    page.wait("document.activeElement.matches('input')")
    page.call("Input.insertText", text="valueerror")
    page.wait("document.querySelectorAll('.tasks tbody tr').length === 1")
    page.click(".tasks tbody button.link")
    page.wait("document.querySelector('.panel')")
    shown = page.text(".panel")
    assert "parse[7]" in shown
    assert shown.count("ValueError: <b>no page 7</b>") == 2
    assert "Attempt 2: failed" in shown
    assert "Needs 1 task" in shown
    page.press("Escape")
    page.press("5")
    page.wait("document.querySelector('table.path')")
    assert "merge" in page.text("table.path")
    assert page.requests() == [file.as_uri()]
