"""The output of ``runs --past``: runs of which only the chronicles are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from astrum_coordinator.asking.past_runs import PastRun
    from astrum_coordinator.display.texts import NotedTable

COLUMNS = ("Run", "State", "Namespace", "Tasks", "Created", "Took")


def print_past_runs(found: list[PastRun], as_json: bool) -> None:
    """Print past runs, as `docs/schemas/past-runs.json` describes them or as a table."""
    if as_json:
        print_json([run._asdict() for run in found])
    else:
        print_table(past_runs_table(found), "" if found else "no past runs")


def past_runs_table(found: list[PastRun]) -> NotedTable:
    """Return one row per run; a chronicle that cannot be read has a note that says why."""
    import datetime as dt

    from astrum.runtime.durations import duration_text
    from astrum_coordinator.display.report_view import STATUS_STYLE, time_text
    from astrum_coordinator.display.texts import NotedTable, Text

    table = NotedTable(*COLUMNS)
    for past in found:
        run = past.run
        if run is None:
            table.add_row(Text(past.run_id), *[Text("-")] * 5, notes=[past.unreadable])
            continue
        counts, labels = run["counts"], run["labels"]
        failed = f", {counts['failed']:,} failed" if counts["failed"] else ""
        created = dt.datetime.fromisoformat(run["created_at"].replace("Z", "+00:00"))
        table.add_row(
            Text(past.run_id),
            Text(run["state"], STATUS_STYLE.get(run["state"], "")),
            Text(run["namespace"]),
            Text(f"{counts['completed']:,} of {run['total_tasks']:,}{failed}"),
            Text(time_text(created.timestamp())),
            Text(duration_text(run["duration_ms"] / 1000)),
            notes=[" ".join(f"{name}={value}" for name, value in sorted(labels.items()))],
        )
    return table
