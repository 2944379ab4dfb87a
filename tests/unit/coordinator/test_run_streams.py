"""How many attempts a run may have in each of its streams, by what it hears of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from astrum.machine import Event, RunState
from astrum.machine.events import CapacityChanged
from astrum.planning.plan import Plan, TaskSpec
from astrum.protocol.pauses import NO_PAUSES, Pause, PauseKind, Pauses, PauseTarget
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LaneStatus, ServedTask, WorkerStatus
from astrum.protocol.streams import Stream, weight_of
from astrum_coordinator.leading.run_streams import RunStreams
from astrum_coordinator.scheduling.live_workers import LivePool
from astrum_coordinator.scheduling.pace import UNREAD_TARGET
from astrum_coordinator.scheduling.paces import Paces
from astrum_coordinator.scheduling.routes import Router
from astrum_coordinator.scheduling.run_pool import RunPool
from tests.unit.machine.events_of import end

HOME = Stream("default", "async", "0ffer")
EMPTY = RunPool(LivePool([], {}), "n", "compatible")


def pool_of(offers: Sequence[str]) -> RunPool:
    """Return workers with two slots each, one for each offer, that serve all tasks of `Led`."""
    status = WorkerStatus(lanes={"async": LaneStatus(2, 0)})
    workers = [
        WorkerInfo(worker_id=offer, lease_s=10.0, details={"queues": "default"}, status=status)
        for offer in offers
    ]
    tasks = [("n", f"t{number}") for number in range(40)]
    served = {offer: dict.fromkeys(tasks, ServedTask("", offer)) for offer in offers}
    return RunPool(LivePool(workers, served), "n", "compatible")


class Led:
    """A run whose streams have no reader, and its state."""

    def __init__(self, tasks: int = 40) -> None:
        plan = Plan("n", tuple(TaskSpec(f"t{number}") for number in range(tasks)), offer="0ffer")
        self.state = RunState(plan)
        self.paces = Paces()
        self.streams = RunStreams(self.state, Router(plan, "compatible"), self.paces, None)

    def look(self, pauses: Pauses = NO_PAUSES, *, readers: Sequence[str] = ()) -> list[Event]:
        pool = pool_of(readers) if readers else EMPTY
        return self.take_in(*self.streams.on_pool(pool, pauses))

    def take_in(self, *events: Event) -> list[Event]:
        for event in events:
            self.state.handle(event)
        return list(events)


def test_a_run_that_a_full_server_did_not_count_has_the_stream_for_itself() -> None:
    led = Led()
    led.look()
    led.state.start()
    event = led.streams.on_told(HOME, length=2 * UNREAD_TARGET, others=weight_of(0))
    assert event == CapacityChanged(0, UNREAD_TARGET // 2)
    event = led.streams.on_told(HOME, length=UNREAD_TARGET, others=-1)
    assert event == CapacityChanged(0, UNREAD_TARGET)


def test_history_does_not_count_for_a_stream_that_is_known_only_later() -> None:
    led = Led()
    led.look(Pauses([Pause(PauseTarget(PauseKind.NAMESPACE, "n"))]))
    for task in range(30):
        led.take_in(end(task))
    led.streams.begin()
    led.state.start()
    led.look()
    led.streams.note_ends()
    assert led.paces.of(HOME).target(time.monotonic(), 0.0) == UNREAD_TARGET
    assert led.state.outstanding_in(0) == 10


def test_nothing_is_sent_to_a_stream_that_has_just_lost_its_last_reader() -> None:
    led = Led()
    led.look(readers=["0ffer", "other"])
    led.state.start()
    sent = led.state.outstanding_in(0)
    led.look(readers=["other"])
    assert led.state.outstanding_in(0) == sent == 4
    led.look()
    assert led.state.outstanding_in(0) == UNREAD_TARGET
