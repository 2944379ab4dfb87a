"""Which run a name on a command line means."""

from __future__ import annotations

import pytest

from astrum.errors import RunNotFoundError
from astrum.view.run_names import KnownRun, chosen_run, is_meant

RUNS = [
    KnownRun("20260202-bb", "open"),
    KnownRun("20260201-ab", "failed"),
    KnownRun("20260201-aa", "cancelled"),
    KnownRun("nightly", "completed"),
    KnownRun("nightly-2", "failed"),
]


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("@last", "20260202-bb"),
        ("@failed", "20260201-ab"),
        ("20260202", "20260202-bb"),
        ("20260201-aa", "20260201-aa"),
        ("nightly", "nightly"),  # although another id begins with it
        ("nightly-", "nightly-2"),
    ],
)
def test_a_name_means_one_run(name: str, run_id: str) -> None:
    assert chosen_run(name, RUNS) == run_id
    assert is_meant(name, next(run for run in RUNS if run.run_id == run_id))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nigthly", "no run has the id 'nigthly', .*; did you mean 'nightly'"),
        ("", "no run has the id ''"),
        ("@lsat", "did you mean '@last'"),
        ("2026", "'2026' begins the ids of 3 runs: '20260202-bb', '20260201-ab', '20260201-aa'$"),
        ("20260201", "'20260201' begins the ids of 2 runs: '20260201-ab', '20260201-aa'"),
    ],
)
def test_a_name_that_does_not_mean_one_run_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(RunNotFoundError, match=sentence):
        chosen_run(name, RUNS)


@pytest.mark.parametrize("name", ["@last", "@failed"])
def test_words_for_runs_say_so_where_there_is_none(name: str) -> None:
    with pytest.raises(RunNotFoundError, match=f"^{name} is the newest run.* there is none"):
        chosen_run(name, [])


def test_many_candidates_are_counted() -> None:
    runs = [KnownRun(f"run-{n}", "open") for n in range(1_200)]
    with pytest.raises(RunNotFoundError, match=r"1,200 runs: .* and 1,197 more"):
        chosen_run("run", runs)
