"""The picture: one panel per case, a bar per contestant with the ends of its spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Samples
from benchmarks.systems import ASTRUM, FLOOR

COLOURS = {ASTRUM: "#2563eb", FLOOR: "#9ca3af"}
OTHERS = "#f59e0b"
PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 5.2, 3.0, 3


def draw(
    cases: Sequence[Case], samples: Mapping[str, Samples], path: Path, tell: Callable[[str], None]
) -> None:
    """Write the picture; without matplotlib say so and do without."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        tell("no picture: matplotlib is not installed")
        return
    matplotlib.use("svg")
    from matplotlib import pyplot

    shown = [case for case in cases if samples[case.name].rounds]
    if not shown:
        return
    rows = -(-len(shown) // COLUMNS)
    columns = min(len(shown), COLUMNS)
    size = (PANEL_WIDTH * columns, PANEL_HEIGHT * rows)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
    panels = list(axes.flat)
    for case, panel in zip(shown, panels, strict=False):
        _draw_case(case, samples[case.name], panel)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _draw_case(case: Case, samples: Samples, panel: Any) -> None:
    names = list(samples.rounds)
    spreads = [samples.spread(name, case.metric) for name in names]
    medians = [spread.median for spread in spreads]
    ends = [
        [spread.median - spread.low for spread in spreads],
        [spread.high - spread.median for spread in spreads],
    ]
    colours = [COLOURS.get(name, OTHERS) for name in names]
    bars = panel.barh(names, medians, xerr=ends, color=colours)
    panel.bar_label(bars, labels=[_label(median) for median in medians], fontsize=7, padding=3)
    panel.margins(x=0.15)
    panel.invert_yaxis()
    panel.set_title(case.title, fontsize=8)
    panel.set_xlabel(case.metric.replace("_", " "), fontsize=8)
    panel.tick_params(labelsize=8)


def _label(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
