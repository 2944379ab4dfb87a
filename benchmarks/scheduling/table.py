"""The table for people: per case and metric old, new and their ratio; then the goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.case import Samples
from benchmarks.scheduling.cases import NEW, OLD, SideBySide
from benchmarks.table import MARKS

ROW = "  {:<26}{:>28}{:>28}{:>12}"


def render(cases: Sequence[SideBySide], samples: Mapping[str, Samples]) -> str:
    """Return medians, ends and ratios as text."""
    lines = [ROW.format("", OLD, NEW, f"{NEW}/{OLD}")]
    for case in cases:
        lines += ["", *_case_lines(case, samples[case.name])]
    return "\n".join(line.rstrip() for line in lines)


def _case_lines(case: SideBySide, samples: Samples) -> list[str]:
    lines = [f"{case.name}: {case.title}"]
    for metric in _metrics(case, samples):
        cells = [_cell(samples, name, metric) for name in (OLD, NEW)]
        lines.append(ROW.format(metric, *cells, _ratio(samples, metric)))
    lines += [f"  {name} does not run: {reason}" for name, reason in samples.reasons.items()]
    for verdict in case.verdicts(samples):
        lines.append(f"    goal: {verdict.goal}: {verdict.found}  {MARKS[verdict.met]}")
    return lines


def _metrics(case: SideBySide, samples: Samples) -> list[str]:
    """Return the metric of the case, then what its goals need, then what only it has."""
    wanted = [case.metric, *(goal.metric for goal in case.goals)]
    return list(dict.fromkeys([*wanted, *_FURTHER.get(case.metric, ())]))


_FURTHER = {
    "start_ms": ("worst_start_ms", "alone_ms"),
    "times_alone": ("alone_seconds", "beside_seconds"),
    "percent_of_equal": ("mixed_tasks_per_s", "equal_tasks_per_s"),
    "tasks_per_s": ("worker_cpu_us_per_task", "coordinator_cpu_us_per_task"),
}


def _cell(samples: Samples, name: str, metric: str) -> str:
    return str(samples.spread(name, metric)) if samples.values(name, metric) else "-"


def _ratio(samples: Samples, metric: str) -> str:
    if not (samples.values(OLD, metric) and samples.values(NEW, metric)):
        return ""
    old = samples.median(OLD, metric)
    return f"{samples.median(NEW, metric) / old:.3g}" if old else ""
