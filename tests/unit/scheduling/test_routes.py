"""Where the attempts of a run may go, by which workers are live."""

from __future__ import annotations

from astrum.machine.routes import Routes
from astrum.planning.plan import Plan, TaskSpec
from astrum.protocol.pauses import Pause, Pauses, PauseTarget
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LaneStatus, ServedTask, WorkerStatus
from astrum.protocol.streams import Stream
from astrum_coordinator.scheduling.live_workers import LivePool, Served
from astrum_coordinator.scheduling.routes import Router
from astrum_coordinator.scheduling.run_pool import RunPool

OFFER, CODE = "0" * 16, "c" * 16
NEW_OFFER, NEW_CODE = "1" * 16, "d" * 16
OLD = "a" * 16 + "." + "0" * 16
BODY = "b" * 16 + "." + "0" * 16
"""The same parameters and types as `OLD`, another source."""
OTHER = "b" * 16 + "." + "1" * 16
NO_PAUSES = Pauses()


def _served(offer: str, code: str, **tasks: str) -> Served:
    return {("n", task_id): ServedTask(print_, offer, code) for task_id, print_ in tasks.items()}


def _pool(
    *workers: Served, queues: str = "default", status: WorkerStatus | None = None
) -> LivePool:
    lanes = {"async": LaneStatus(4, 0), "thread": LaneStatus(2, 0)}
    infos = [
        WorkerInfo(
            worker_id=f"w{number}",
            lease_s=10.0,
            details={"queues": queues},
            status=status or WorkerStatus(lanes=lanes),
        )
        for number in range(len(workers))
    ]
    return LivePool(infos, {f"w{number}": one for number, one in enumerate(workers)})


def _plan(*specs: TaskSpec) -> Plan:
    return Plan("n", specs, offer=OFFER, code=CODE)


def _task(name: str, **options: object) -> TaskSpec:
    return TaskSpec(name, fingerprint=OLD, **options)  # type: ignore[arg-type]


class Found:
    """The routes of a plan, with streams in place of their numbers."""

    def __init__(
        self,
        plan: Plan,
        pool: LivePool,
        *,
        versions: str = "compatible",
        pauses: Pauses = NO_PAUSES,
        priority: int = 0,
    ) -> None:
        self.streams: list[Stream] = []
        router = Router(plan, versions, priority)
        self.routes: Routes = router.routes(RunPool(pool, "n", versions), pauses, self._number)

    def _number(self, stream: Stream) -> int:
        if stream not in self.streams:
            self.streams.append(stream)
        return self.streams.index(stream)

    def of(self, task: int) -> list[Stream]:
        """Return where a task's attempts go."""
        route = self.routes.of[task] if self.routes.of else 0
        return [self.streams[number] for number in self.routes.choices[route]]

    def alone(self, task: int) -> list[Stream]:
        """Return where its exclusive attempts go."""
        route = self.routes.of[task] if self.routes.of else 0
        return [self.streams[number] for number in self.routes.alone[route]]


def _stream(offer: str = OFFER, lane: str = "async", queue: str = "default") -> Stream:
    return Stream(queue, lane, offer)


def test_attempts_above_0_go_to_the_urgent_streams_of_the_same_workers() -> None:
    tasks = [_task("a", priority=3), _task("b"), _task("c", priority=2), _task("d", priority=-9)]
    pool = _pool(
        *(_served(offer, CODE, a=OLD, b=OLD, c=OLD, d=OLD) for offer in (OFFER, NEW_OFFER))
    )
    home, new = _stream(), _stream(NEW_OFFER)
    urgent = [home._replace(urgent=True), new._replace(urgent=True)]
    found = Found(_plan(*tasks), pool)
    assert [found.of(task) for task in range(4)] == [urgent, [home, new], urgent, [home, new]]
    assert found.alone(0) == found.alone(1), "exclusive attempts have no order among runs"
    found = Found(_plan(*tasks), pool, priority=-2)
    assert [found.of(task) for task in range(4)] == [urgent, *[[home, new]] * 3]
    found = Found(_plan(*tasks), pool, priority=9)
    assert [found.of(task) for task in range(4)] == [*[urgent] * 3, [home, new]]


def test_a_run_of_one_priority_has_one_route_only() -> None:
    pool = _pool(_served(OFFER, CODE, a=OLD, b=OLD))
    found = Found(_plan(_task("a", priority=1), _task("b", priority=2)), pool, priority=5)
    assert (len(found.routes.choices), found.routes.of) == (1, ())


def test_without_workers_attempts_go_home() -> None:
    found = Found(_plan(_task("a")), _pool())
    assert found.of(0) == [_stream()]
    assert found.alone(0) == [_stream(lane="exclusive")]


def test_workers_with_the_plans_offer_read_the_home_stream_whatever_their_sources() -> None:
    pool = _pool(_served(OFFER, CODE, a=OLD), _served(OFFER, NEW_CODE, a=BODY))
    assert Found(_plan(_task("a")), pool).of(0) == [_stream()]


def test_an_unchanged_task_goes_to_old_and_new_workers() -> None:
    pool = _pool(_served(OFFER, CODE, a=OLD, b=OLD), _served(NEW_OFFER, NEW_CODE, a=BODY, b=OTHER))
    found = Found(_plan(_task("a"), _task("b")), pool)
    assert found.of(0) == [_stream(), _stream(NEW_OFFER)]
    assert found.of(1) == [_stream()], "its parameters differ there"


def test_a_task_that_no_worker_serves_goes_home_though_others_are_served_elsewhere() -> None:
    pool = _pool(_served(NEW_OFFER, NEW_CODE, a=OLD))
    found = Found(_plan(_task("a"), _task("gone")), pool)
    assert found.of(0) == [_stream(NEW_OFFER)]
    assert found.of(1) == [_stream()]


def test_an_exact_run_goes_only_where_its_code_is() -> None:
    pool = _pool(_served(OFFER, NEW_CODE, a=BODY))
    assert Found(_plan(_task("a")), pool, versions="exact").of(0) == [_stream(f"{OFFER}.{CODE}")]
    wider = _pool(_served(NEW_OFFER, NEW_CODE, a=OLD, more=OLD))
    found = Found(_plan(_task("a")), wider, versions="exact")
    assert found.of(0) == [_stream(f"{NEW_OFFER}.{NEW_CODE}")]


def test_a_paused_task_goes_nowhere() -> None:
    pauses = Pauses([Pause(PauseTarget.of_task("n", "a"))])
    found = Found(_plan(_task("a"), _task("b")), _pool(), pauses=pauses)
    assert (found.of(0), found.of(1)) == ([], [_stream()])


def test_a_paused_queue_and_a_paused_namespace_hold_all_their_tasks() -> None:
    plan = _plan(_task("a", queue="cpu"), _task("b"))
    queue = Found(plan, _pool(), pauses=Pauses([Pause(PauseTarget("queue", "cpu"))]))  # type: ignore[arg-type]
    assert (queue.of(0), queue.of(1)) == ([], [_stream()])
    all_ = Found(plan, _pool(), pauses=Pauses([Pause(PauseTarget("namespace", "n"))]))  # type: ignore[arg-type]
    assert (all_.of(0), all_.of(1)) == ([], [])


def test_each_queue_and_lane_has_its_streams() -> None:
    plan = _plan(_task("a"), _task("b", lane="thread"), _task("c", queue="cpu"))
    found = Found(plan, _pool(_served(OFFER, CODE, a=OLD, b=OLD, c=OLD)))
    assert found.of(1) == [_stream(lane="thread")]
    assert found.of(2) == [_stream(queue="cpu")]


def test_a_draining_worker_reads_nothing() -> None:
    draining = WorkerStatus(not_claiming=("draining",))
    pool = _pool(_served(OFFER, CODE, a=OLD), status=draining)
    assert not pool.readers("n", "default", "async")
    assert (
        RunPool(pool, "n", "compatible")
        .why_not(_task("a"))
        .endswith("the live workers that serve it are draining: start another one")
    )


def test_slots_are_those_of_all_readers_of_a_stream() -> None:
    pool = _pool(_served(OFFER, CODE, a=OLD), _served(OFFER, NEW_CODE, a=BODY))
    assert pool.readers("n", "default", "async")[OFFER].slots == 8
    exact = pool.readers("n", "default", "thread", exact=True)
    assert {offer: readers.slots for offer, readers in exact.items()} == {
        f"{OFFER}.{CODE}": 2,
        f"{OFFER}.{NEW_CODE}": 2,
    }
