"""The forms in which a run can be exported, and the endings of files that mean them."""

from __future__ import annotations

import json
from pathlib import Path

from astrum.view.report.chronicle import columns_text
from astrum.view.report.columns import RunColumns
from astrum.view.report.comparing import compared
from astrum.view.report.csv_table import csv_table
from astrum.view.report.perfetto import perfetto_trace

FORMATS = ("html", "json", "csv", "perfetto")
_ENDINGS = {
    ".perfetto.json": "perfetto",
    ".trace.json": "perfetto",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".csv": "csv",
}


def format_of(path: Path) -> str | None:
    """Return the format that the ending of a file means, `None` for any other.

    >>> format_of(Path("run.html")), format_of(Path("a.trace.json")), format_of(Path("run.txt"))
    ('html', 'perfetto', None)
    """
    name = path.name.lower()
    return next((form for ending, form in _ENDINGS.items() if name.endswith(ending)), None)


def exported(columns: RunColumns, form: str, before: RunColumns | None = None) -> str:
    """Return a run in one of `FORMATS`; in a page with what changed since the run ``before``."""
    if form == "html":
        from astrum_coordinator.display.report_page import report_page

        return report_page(columns, None if before is None else compared(before, columns))
    if form == "csv":
        return csv_table(columns)
    if form == "perfetto":
        trace = perfetto_trace(columns)
        return json.dumps(trace, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return columns_text(columns)
