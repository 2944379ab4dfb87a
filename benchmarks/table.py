"""The table for people: per case each system's median and spread, ratios to Astrum, and goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.case import Case, Samples
from benchmarks.systems import ASTRUM

MARKS = {True: "met", False: "MISSED", None: ""}


def render(
    cases: Sequence[Case], samples: Mapping[str, Samples], reasons: Mapping[str, str]
) -> str:
    """Return the table as text; the column behind the metric is the number of tasks."""
    lines: list[str] = []
    for case in cases:
        lines += [*_case_lines(case, samples[case.name]), ""]
    lines += [f"{name}: {reason}" for name, reason in reasons.items()]
    return "\n".join(lines)


def render_markdown(cases: Sequence[Case], samples: Mapping[str, Samples]) -> str:
    """Return goals and findings as a Markdown table, for `docs/performance.md`."""
    lines = ["| work | tasks | goal | measured | |", "|---|---|---|---|---|"]
    for case in cases:
        found = samples[case.name]
        sizes = sorted({int(n) for name in found.rounds for n in found.values(name, "tasks")})
        size = ", ".join(f"{n:,}" for n in sizes)
        for verdict in case.verdicts(found) if found.rounds else ():
            row = (case.title, size, verdict.goal, verdict.found, MARKS[verdict.met])
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _case_lines(case: Case, samples: Samples) -> list[str]:
    lines = [case.title]
    ours = samples.median(ASTRUM, case.metric) if samples.has(ASTRUM) else None
    for name in samples.rounds:
        spread = samples.spread(name, case.metric)
        ratio = f"{spread.median / ours:8.3g} of astrum" if ours and name != ASTRUM else ""
        size = f"{samples.median(name, 'tasks'):,.0f}" if samples.values(name, "tasks") else ""
        line = f"  {name:<26}{spread!s:<34}{case.metric:<20}{size:>10}  {ratio}"
        lines.append(line.rstrip())
    lines += [f"  {name:<26}{reason}" for name, reason in samples.reasons.items()]
    for verdict in case.verdicts(samples) if samples.rounds else ():
        lines.append(f"    goal: {verdict.goal}: {verdict.found}  {MARKS[verdict.met]}".rstrip())
    return lines
