"""A browser for the tests of pages, and pages to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from astrum.view.report.columns import RunColumns, run_columns
from astrum_coordinator.display.report_page import report_page
from tests.chromium import Chromium, Page, browser, chromium_path
from tests.made_runs import made_run

WEB_SOURCE = Path(__file__).parents[2] / "coordinator" / "web-src"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The browser; tests that need it are skipped where it is not installed."""
    if not chromium_path():
        pytest.skip("Chromium is not installed")
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    """An empty page, which must not have complained when the test ends."""
    with chromium.page() as opened:
        opened.prefer("light")
        yield opened
        assert opened.complaints() == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which checks how accessible a page is."""
    script = WEB_SOURCE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip("axe-core is not installed: npm ci in coordinator/web-src")
    return script.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def write_report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[RunColumns], Path]:
    """Write columns as a report and return its file."""

    def write(columns: RunColumns) -> Path:
        file = tmp_path_factory.mktemp("report") / "run.html"
        file.write_text(report_page(columns), encoding="utf-8", errors="backslashreplace")
        return file

    return write


@pytest.fixture(scope="session")
def report_of(write_report: Callable[[RunColumns], Path]) -> Callable[[int], Path]:
    """The report of a run of about so many tasks, with losses, retries and failures."""
    known: dict[int, Path] = {}

    def of(tasks: int) -> Path:
        if tasks not in known:
            run = made_run(tasks)
            known[tasks] = write_report(run_columns(run.state, run.head()))
        return known[tasks]

    return of
