"""Metrics as text: what Prometheus reads of it, how many series there are, what they cost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from astrum.machine.events import Outcome
from astrum.protocol.keys import Keys
from astrum.protocol.messages import Record
from astrum.protocol.streams import Stream
from astrum.redis import Claim, Verdict
from astrum.runtime.metrics import (
    BYTES,
    SECONDS,
    Metric,
    NameLimit,
    Readings,
    counter,
    from_data,
    gauge,
    histogram,
    to_data,
    to_text,
)
from astrum_coordinator import health
from astrum_worker.attempt_metrics import ATTEMPTS, METRICS, AttemptMetrics
from astrum_worker.health import readings
from astrum_worker.process.merged_metrics import MergedMetrics
from tests.unit.test_cost_guard import CALIBRATION_STEPS, cpu_s, plain_loop

ROOT = Path(__file__).parents[2]
KEY = Keys().queue(Stream("gpu", "thread", "0ff3r"))
CLAIM = Claim(KEY, "1-0", bytes(100))
JOBS = counter("jobs_total", "Jobs.", "namespace", "task")


def read(data: bytes) -> dict[str, list[Sample]]:
    """Return the samples by metric, as the client library of Prometheus reads them."""
    return {
        family.name: list(family.samples)
        for family in text_string_to_metric_families(data.decode())
    }


def values(samples: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    return {tuple(one.labels.values()): one.value for one in samples if one.name == name}


def end(outcome: Outcome = Outcome.SUCCEEDED, took_s: float = 0.1) -> Record:
    return Record(0, 1, outcome, "w", 100.0, 100.0 + took_s, queued_ms=30, prepared_ms=2)


def new_metrics(tasks: int = 200) -> AttemptMetrics:
    return AttemptMetrics(tasks, Keys().stream_of)


def test_what_a_worker_counts_is_read_by_the_library_of_prometheus() -> None:
    metrics = new_metrics()
    metrics.note_claim(CLAIM)
    metrics.note_end("shop", "pay", KEY, end(took_s=0.1), 300)
    metrics.note_end("shop", "pay", KEY, end(Outcome.FAILED, took_s=7.0), 0)
    metrics.note_dropped("shop", "pay")
    metrics.note_verdicts([Verdict.SETTLED, Verdict.FENCED])
    found = read(to_text(metrics.readings()))
    assert values(found["astrum_attempts"], "astrum_attempts_total") == {
        ("shop", "pay", "succeeded"): 1,
        ("shop", "pay", "failed"): 1,
        ("shop", "pay", "cancelled"): 1,
    }
    took = found["astrum_attempt_seconds"]
    assert values(took, "astrum_attempt_seconds_count") == {("shop", "pay"): 2}
    [total] = values(took, "astrum_attempt_seconds_sum").values()
    assert total == pytest.approx(7.1)
    buckets = values(took, "astrum_attempt_seconds_bucket")
    assert buckets["shop", "pay", "0.08"] == 0
    assert buckets["shop", "pay", "0.32"] == 1
    assert buckets["shop", "pay", "5.12"] == 1
    assert buckets["shop", "pay", "20.48"] == 2
    assert buckets["shop", "pay", "+Inf"] == 2
    waited = found["astrum_attempt_queue_seconds"]
    assert values(waited, "astrum_attempt_queue_seconds_sum") == {("gpu", "thread"): 0.06}
    assert values(found["astrum_claims"], "astrum_claims_total") == {("gpu", "thread"): 1}
    settled = values(found["astrum_settles"], "astrum_settles_total")
    assert settled == {("settled",): 1, ("repeated",): 0, ("fenced",): 1}
    sizes = values(found["astrum_payload_bytes"], "astrum_payload_bytes_sum")
    assert sizes == {("in",): 100, ("out",): 300}


def test_what_never_ran_has_no_time() -> None:
    metrics = new_metrics()
    metrics.note_end("shop", "pay", KEY, end(Outcome.HANDED_BACK), 0)
    metrics.note_end("shop", "pay", KEY, Record(0, 1, Outcome.FAILED), 0)
    found = read(to_text(metrics.readings()))
    assert values(found["astrum_attempts"], "astrum_attempts_total") == {
        ("shop", "pay", "failed"): 1,
        ("shop", "pay", "handed_back"): 1,
    }
    assert found["astrum_attempt_seconds"] == []


HOSTILE = 'a"b\\c\nd\x1b[31m\u202e</script>{}=,\ud800é'


def test_names_that_try_to_leave_their_label_are_shown_as_text() -> None:
    metrics = new_metrics()
    metrics.note_end(HOSTILE, HOSTILE, KEY, end(), 0)
    text = to_text(metrics.readings())
    assert b"\x1b" not in text
    assert "\u202e".encode() not in text
    [sample] = read(text)["astrum_attempts"]
    shown = 'a"b\\c\\nd\\x1b[31m\\u202e</script>{}=,\\ud800é'
    assert sample.labels == {"namespace": shown, "task": shown, "outcome": "succeeded"}


def test_special_numbers_have_their_names() -> None:
    odd = gauge("odd", "Odd.", "kind")
    told: Readings = {odd: {("inf",): float("inf"), ("nan",): float("nan"), ("int",): 3.0}}
    assert b'odd{kind="inf"} +Inf\nodd{kind="nan"} NaN\nodd{kind="int"} 3\n' in to_text(told)


# --- how many series -----------------------------------------------------------------------------


def random_names(count: int) -> list[tuple[str, str]]:
    draw = random.Random(7)
    return [(f"n{number % 5}", f"task-{draw.getrandbits(64):x}") for number in range(count)]


def busy_metrics(tasks: int = 200) -> AttemptMetrics:
    metrics = new_metrics(tasks)
    metrics.note_claim(CLAIM)
    for namespace, task_id in random_names(10_000):
        for outcome in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.HANDED_BACK):
            metrics.note_end(namespace, task_id, KEY, end(outcome), 10)
    return metrics


def series_of(text: bytes) -> int:
    return sum(not line.startswith(b"#") for line in text.splitlines())


def test_ten_thousand_tasks_have_less_than_five_thousand_series() -> None:
    text = to_text(busy_metrics().readings())
    assert 3_000 < series_of(text) < 5_000
    assert len(text) < 1_000_000
    ended = values(read(text)["astrum_attempts"], "astrum_attempts_total")
    assert len({labels[:2] for labels in ended}) == 201
    assert sum(ended.values()) == 40_000
    assert ended["(other)", "(other)", "succeeded"] == 9_800


def test_without_task_names_there_are_only_namespaces() -> None:
    text = to_text(busy_metrics(0).readings())
    assert b"task=" not in text
    ended = values(read(text)["astrum_attempts"], "astrum_attempts_total")
    assert ended["n3", "succeeded"] == 2_000
    assert series_of(text) < 200


def test_several_processes_together_have_no_more_tasks_than_one() -> None:
    merged = MergedMetrics(200)
    for place in range(4):
        metrics = new_metrics()
        for number in range(150):
            metrics.note_end("shop", f"task-{place}-{number}", KEY, end(), 0)
        merged.take_in(place, from_data(to_data(metrics.readings())))
    text = to_text(merged.merged(range(4)))
    ended = values(read(text)["astrum_attempts"], "astrum_attempts_total")
    assert len(ended) == 201
    assert sum(ended.values()) == 600


def turns(action: Callable[[], object]) -> float:
    """Return how many turns of a plain loop take as long, whatever else the machine does.

    A neighbour may disturb a measurement, never hurry it: the least of some rounds counts.
    """
    ours = one_turn = float("inf")
    for _ in range(5):
        ours = min(ours, cpu_s(action))
        one_turn = min(one_turn, cpu_s(plain_loop) / CALIBRATION_STEPS)
    return ours / one_turn


def test_an_answer_with_all_series_takes_some_milliseconds() -> None:
    metrics = busy_metrics()
    # A turn takes 20 to 30 ns on a machine of today, so this is some 10 ms.
    assert turns(lambda: to_text(metrics.readings())) < 300_000


def test_an_attempt_costs_about_a_microsecond() -> None:
    metrics, done = new_metrics(), end()

    def thousand() -> None:
        for _ in range(1_000):
            metrics.note_claim(CLAIM)
            metrics.note_end("shop", "pay", KEY, done, 300)

    assert turns(thousand) / 1_000 < 120


# --- several processes ----------------------------------------------------------------------------

SIZES = histogram("sizes", "Sizes.", (1.0, 2.0))
LEVEL = gauge("level", "Level.", "lane")


def told(count: int, level: float) -> Readings:
    return {
        JOBS: {("shop", "pay"): count},
        LEVEL: {("async",): level},
        SIZES: {(): [count, 0, 1, 3.5]},
    }


def test_counters_and_histograms_are_added_and_gauges_keep_their_process() -> None:
    merged = MergedMetrics(200)
    merged.take_in(0, told(3, 0.5))
    merged.take_in(1, told(4, 0.7))
    found = merged.merged([0, 1])
    assert found[JOBS] == {("shop", "pay"): 7}
    assert found[SIZES] == {(): [7, 0, 2, 7.0]}
    level = LEVEL._replace(labels=("lane", "process"))
    assert found[level] == {("async", "0"): 0.5, ("async", "1"): 0.7}


def test_sums_do_not_fall_when_a_process_ends_or_does_not_answer() -> None:
    merged = MergedMetrics(200)
    merged.take_in(0, told(3, 0.5))
    merged.take_in(1, told(4, 0.7))
    merged.note_end(1)
    assert merged.merged([0])[JOBS] == {("shop", "pay"): 7}
    merged.take_in(1, told(1, 0.9))
    assert merged.merged([1])[JOBS] == {("shop", "pay"): 8}
    silent = merged.merged([1])
    assert silent[LEVEL._replace(labels=("lane", "process"))] == {("async", "1"): 0.9}


def test_names_after_the_limit_are_one() -> None:
    limit = NameLimit(2)
    assert [limit.of((name,)) for name in "abca"] == [("a",), ("b",), ("(other)",), ("a",)]


# --- the documentation ----------------------------------------------------------------------------


def table(metrics: tuple[Metric, ...]) -> str:
    """Return the table of the guide for these metrics."""
    rows = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels) or "–"
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |")
    return "\n".join(rows)


@pytest.mark.parametrize("metrics", [readings.METRICS, health.METRICS], ids=["worker", "serve"])
def test_the_guide_lists_all_metrics(metrics: tuple[Metric, ...]) -> None:
    page = (ROOT / "docs" / "guide" / "metrics.md").read_text(encoding="utf-8")
    assert table(metrics) in page


def test_names_follow_the_conventions_of_prometheus() -> None:
    for one in (*readings.METRICS, *health.METRICS):
        assert one.name.startswith("astrum_")
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert not {"run_id", "worker_id", "host", "attempt", "error"} & set(one.labels)
        assert bool(one.bounds) == (one.kind == "histogram")
    assert ATTEMPTS in METRICS
    assert max(SECONDS) > 20 * 60
    assert max(BYTES) == 64 * 1024 * 1024
