"""Leaves out of the columns of a run what its code said."""

from __future__ import annotations

from astrum.view.report.columns import RunColumns


def without_messages(columns: RunColumns) -> RunColumns:
    """Return columns without messages, tracebacks, logs, reasons and inputs; types of errors stay.

    Names of tasks, queues and workers and the labels stay too.
    """
    count = len(columns["tasks"]["note"])
    return {
        **{name: column for name, column in columns.items() if name != "logs"},
        "run": {**columns["run"], "reason": None, "inputs": {}, "redacted": True},
        "tasks": {**columns["tasks"], "note": [0] * count},
        "strings": _without_notes(columns),
        "failures": [{**row, "message": "", "traceback": ""} for row in columns["failures"]],
    }


def _without_notes(columns: RunColumns) -> list[str]:
    """Return the texts, with "" in place of those that only notes name."""
    notes = set(columns["tasks"]["note"])
    for section, names in _NAMES.items():
        for name in names:
            notes.difference_update(columns[section][name])
    notes.difference_update(run_id for _, run_id in columns["reused"])
    return ["" if number in notes else text for number, text in enumerate(columns["strings"])]


_NAMES = {
    "tasks": ("name", "queue"),
    "families": ("name",),
    "attempts": ("blocked",),
    "workers": ("id", "host"),
}
