"""Queues are counted from their streams and from the live workers."""

from __future__ import annotations

from astrum.protocol.pauses import Pause, PauseKind, Pauses, PauseTarget
from astrum.protocol.records import StreamSize
from astrum.protocol.streams import Stream
from astrum.view import queue_states


def test_the_lanes_of_a_queue_are_added_up_and_the_oldest_counts() -> None:
    sizes = {
        Stream("cpu", "async"): StreamSize(2, 1, 4.0),
        Stream("cpu", "thread"): StreamSize(1, 3, 9.5),
        Stream("cpu", "exclusive"): StreamSize(0, 0, None),
    }
    [cpu] = queue_states(sizes, {"w2": ["cpu", "io"], "w1": ["cpu"]})[:1]
    assert (cpu.queue, cpu.waiting, cpu.running, cpu.oldest_waiting_s) == ("cpu", 3, 4, 9.5)
    assert cpu.workers == ("w1", "w2")
    assert set(cpu.lanes) == {"async", "thread", "exclusive"}


def test_the_offers_of_a_queue_and_lane_are_added_up() -> None:
    sizes = {
        Stream("cpu", "async", "0ld"): StreamSize(2, 1, 4.0),
        Stream("cpu", "async", "new"): StreamSize(1, 2, 9.5),
        Stream("cpu", "async", "new.c0de"): StreamSize(0, 1, None),
        Stream("other", "async", "new"): StreamSize(7, 7, 7.0),
    }
    [cpu, _] = queue_states(sizes, {})
    assert cpu.lanes == {"async": StreamSize(3, 4, 9.5)}
    assert (cpu.waiting, cpu.running, cpu.oldest_waiting_s) == (3, 4, 9.5)


def test_queues_without_workers_and_queues_without_work_are_there_too() -> None:
    found = queue_states({Stream("lonely", "async"): StreamSize(1, 0, 1.0)}, {"w": ["idle"]})
    assert [(one.queue, one.waiting, len(one.workers)) for one in found] == [
        ("idle", 0, 1),
        ("lonely", 1, 0),
    ]


def test_what_coordinators_hold_ready_is_added_up_also_where_nothing_is_queued() -> None:
    sizes = {Stream("cpu", "async"): StreamSize(2, 1, 4.0)}
    found = queue_states(sizes, {}, [{"cpu": 3, "new": 1}, {"cpu": 4}])
    assert [(one.queue, one.waiting, one.held_ready) for one in found] == [
        ("cpu", 2, 7),
        ("new", 0, 1),
    ]


def test_the_backlog_is_what_no_worker_has_begun_and_the_demand_has_what_runs_too() -> None:
    sizes = {Stream("cpu", "async"): StreamSize(2, 5, 4.0)}
    [cpu] = queue_states(sizes, {}, [{"cpu": 3}])
    assert (cpu.backlog, cpu.demand) == (5, 10)


def test_the_backlog_of_a_paused_queue_asks_for_no_workers() -> None:
    sizes = {Stream("cpu", "async"): StreamSize(2, 5, 4.0)}
    pauses = Pauses([Pause(PauseTarget(PauseKind.QUEUE, "cpu"))])
    [cpu] = queue_states(sizes, {}, [{"cpu": 3}], pauses)
    assert (cpu.backlog, cpu.demand) == (5, 5)


def test_what_a_paused_namespace_or_task_has_ready_asks_for_no_workers() -> None:
    sizes = {Stream("cpu", "async"): StreamSize(2, 5, 4.0)}
    [cpu] = queue_states(sizes, {}, [{"cpu": 7}, {"cpu": 3}], paused=[{"cpu": 6}, {}])
    assert (cpu.held_ready, cpu.backlog, cpu.demand) == (10, 12, 11)


def test_a_paused_queue_is_listed_also_if_nothing_uses_it() -> None:
    pauses = Pauses(
        [
            Pause(PauseTarget(PauseKind.QUEUE, "cpu"), "ann", 1.0, "why"),
            Pause(PauseTarget(PauseKind.NAMESPACE, "io")),
        ]
    )
    found = queue_states({}, {"w": ["io"]}, [], pauses)
    assert [(one.queue, one.paused) for one in found] == [
        ("cpu", "queue 'cpu' is paused by ann: why"),
        ("io", ""),
    ]
