"""How long a reader waits for a big report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chromium import Page

pytestmark = [pytest.mark.browser, pytest.mark.thorough, pytest.mark.timeout(240)]

MOVES = """(async () => {
    const canvas = document.querySelector('canvas.board');
    const {x, y, width, height} = canvas.getBoundingClientRect();
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    performance.clearMeasures();
    let before = await frame();
    const frames = [];
    for (let i = 0; i < 120; i++) {
        const shiftKey = i % 3 === 0;
        const deltaY = shiftKey ? 90 : i % 60 < 30 ? -60 : 60;
        const at = {clientX: x + width * (0.3 + (i % 40) / 100), clientY: y + height / 2};
        canvas.dispatchEvent(new WheelEvent('wheel', {...at, deltaY, shiftKey, cancelable: true}));
        const now = await frame();
        frames.push(now - before);
        before = now;
    }
    const p95 = (values) => values.sort((a, b) => a - b)[Math.floor(values.length * 0.95)];
    const drawn = performance.getEntriesByName('draw timeline').map((entry) => entry.duration);
    return {drawn: drawn.length, draw_p95_ms: p95(drawn), frame_p95_ms: p95(frames)};
})()"""


@pytest.mark.parametrize(("tasks", "limit_ms"), [(10_000, 1500), (100_000, 6000)])
def test_bars_are_seen_soon(
    page: Page, report_of: Callable[[int], Path], tasks: int, limit_ms: int
) -> None:
    page.open(report_of(tasks))
    taken = page.evaluate("performance.getEntriesByName('first bars')[0].startTime")
    print(f"{tasks} tasks: first bars after {taken:.0f} ms")
    assert taken <= limit_ms


def test_moving_and_zooming_keep_up_with_the_screen(
    page: Page, report_of: Callable[[int], Path]
) -> None:
    page.open(report_of(10_000))
    found = page.evaluate(MOVES)
    print(json.dumps(found))
    assert found["drawn"] >= 100
    assert found["draw_p95_ms"] <= 16
