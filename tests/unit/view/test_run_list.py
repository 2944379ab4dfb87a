"""Which runs a list shows, and what it says about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from astrum.machine.run_counter import RunCounts
from astrum.protocol.records import LABEL, RunInfo
from astrum.protocol.status import LedRun
from astrum.view.run_list import (
    ALL_RUNS,
    PoolMoment,
    RunFilter,
    RunStatus,
    listed_run,
)

NOW = 10_000.0


def run(**facts: Any) -> RunInfo:
    """A run that was created 100 s ago; by default its leader is alive."""
    basis = RunInfo(
        run_id="r",
        state="open",
        epoch=1,
        owner="host:1",
        lease_s=5.0,
        created_at=NOW - 100,
        ended_at=None,
        outstanding=0,
        late_ends=0,
        details={"namespace": "etl", f"{LABEL}team": "data", f"{LABEL}env": "a=b"},
    )
    return replace(basis, **facts)


def unled(age_s: float, **facts: Any) -> RunInfo:
    return run(lease_s=0.0, unled_since=NOW - age_s, **facts)


@pytest.mark.parametrize(
    ("info", "shown", "states"),
    [
        (run(), "running", {"running"}),
        (run(counts=RunCounts(retrying=2)), "retrying", {"running", "retrying"}),
        (run(counts=RunCounts(retried=2)), "running", {"running"}),
        (unled(9.0), "pending", {"pending"}),
        (unled(11.0), "stalled", {"pending", "stalled"}),
        (run(lease_s=0.0, waits_until=NOW + 60), "delayed", {"delayed"}),
        (run(state="completed", counts=RunCounts(retrying=1)), "completed", {"completed"}),
        (run(state="failed", lease_s=0.0), "failed", {"failed"}),
        (run(state="cancelled"), "cancelled", {"cancelled"}),
        (run(state="of a later version"), "of a later version", {"of a later version"}),
    ],
)
def test_a_run_has_states(info: RunInfo, shown: str, states: set[str]) -> None:
    listed = listed_run(info, PoolMoment(now=NOW))
    assert listed.shown_status == shown
    assert {one for one in (*RunStatus, "of a later version") if listed.has(one)} == states


def test_a_run_without_a_leader_says_since_when_and_what_to_do() -> None:
    listed = listed_run(unled(200.0), PoolMoment(now=NOW))
    assert listed.stalled == "no coordinator leads it for 3 min 20 s: `serve` or `resume` would"


def test_a_run_of_which_only_held_tasks_are_left_waits_for_a_person() -> None:
    held = RunCounts(succeeded=3, held=2)
    told = "2 tasks are held (on_lost='hold'): `show` says which, `release` lets them go on"
    assert listed_run(run(counts=held), PoolMoment(now=NOW)).stalled == told
    assert (
        "1 task is held" in listed_run(run(counts=RunCounts(held=1)), PoolMoment(now=NOW)).stalled
    )
    goes_on = run(counts=held, outstanding=1), run(counts=held._replace(retrying=1))
    for info in goes_on:
        assert not listed_run(info, PoolMoment(now=NOW)).stalled
    ready = LedRun("r", {"default": 1}, 10, 0)
    assert not listed_run(
        run(counts=held), PoolMoment(now=NOW, led={("host:1", "r"): ready})
    ).stalled


@pytest.mark.parametrize("reason", [{"unserved": "no worker serves 't'"}, {"refused": "OOM"}])
def test_a_run_that_its_leader_cannot_lead_on_says_why(reason: dict[str, str]) -> None:
    led = LedRun("r", {}, 10, 0, **reason)  # type: ignore[arg-type]
    assert listed_run(run(), PoolMoment(now=NOW, led={("host:1", "r"): led})).stalled in (
        "no worker serves 't'",
        "OOM",
    )
    # What an earlier leader said last does not count.
    assert not listed_run(run(), PoolMoment(now=NOW, led={("host:0", "r"): led})).stalled


@pytest.mark.parametrize(
    ("facts", "claimed", "is_stalled"),
    [
        ({"outstanding": 3, "created_at": NOW - 400}, 0, True),
        ({"outstanding": 3, "created_at": NOW - 400}, 1, False),
        ({"outstanding": 0, "created_at": NOW - 400}, 0, False),
        ({"outstanding": 3, "created_at": NOW - 299}, 0, False),
        ({"outstanding": 3, "created_at": 0.0, "epoch": 1000 * (NOW - 99)}, 0, False),
        (
            {"outstanding": 3, "created_at": 0.0, "counts": RunCounts(last_end_at=int(NOW) - 99)},
            0,
            False,
        ),
    ],
)
def test_a_run_in_which_nothing_ends_and_nothing_runs_is_stalled(
    facts: dict[str, Any], claimed: int, is_stalled: bool
) -> None:
    pool = PoolMoment(now=NOW, claimed={"r": claimed})
    stalled = listed_run(run(**facts), pool).stalled
    assert bool(stalled) is is_stalled
    expected = "nothing has ended for 6 min 40 s: 3 attempts wait for a worker, and none runs"
    assert stalled in ("", expected)


@pytest.mark.parametrize(
    ("chosen", "fits"),
    [
        (ALL_RUNS, True),
        (RunFilter(states=("failed", "retrying")), True),
        (RunFilter(states=("failed",)), False),
        (RunFilter(since_s=100.0), True),
        (RunFilter(since_s=99.0), False),
        (RunFilter(older_s=100.0), True),
        (RunFilter(older_s=101.0), False),
        (RunFilter(namespace="etl"), True),
        (RunFilter(namespace="et"), False),
        (RunFilter(labels={"team": "data", "env": "a=b"}), True),
        (RunFilter(labels={"team": "dat"}), False),
        (RunFilter(labels={"other": ""}), False),
        (RunFilter(states=("running",), since_s=100.0, labels={"team": "data"}), True),
        (RunFilter(states=("running",), since_s=99.0, labels={"team": "data"}), False),
    ],
)
def test_a_filter_fits_a_run_only_as_a_whole(chosen: RunFilter, fits: bool) -> None:
    listed = listed_run(run(counts=RunCounts(retrying=1)), PoolMoment(now=NOW))
    assert chosen.fits(listed, NOW) is fits
    assert chosen.is_empty is (chosen is ALL_RUNS)
