"""A built state for each code of `why`, and the sentence that explains it."""

from __future__ import annotations

from collections.abc import Callable

from astrum.machine.events import (
    AttemptFoundOutstanding,
    CancelRequested,
    Outcome,
    Released,
    TaskReused,
)
from astrum.machine.failure import QUARANTINED, UNSERVED, Failure
from astrum.planning import TaskSpec
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.view import Code, Explanation, Look, explain_run
from tests.unit.view.moments import (
    NO,
    NOW,
    WORKER,
    coordinator,
    ended,
    look_at,
    over,
    run_info,
    state_of,
    unled,
)
from tests.unit.view.why_cases_sent import AT_WORK, QUEUED
from tests.unit.view.why_states import (
    EACH,
    FAILED,
    FRESH,
    GROWN,
    LIST,
    OUT,
    SENT,
    TAKEN,
    A,
    B,
    Case,
    out,
    paused,
    retried,
    running,
    task,
    unserved,
)

MORE = LIST._replace(task_id="c")
PAIRS = TaskSpec("b", needs=("a", "c"), axes=(Axis((ListSource("a"),)), Axis((ListSource("c"),))))
ENDED = {
    Code.SUCCEEDED: Case(
        task(look_at(state_of(A, events=[ended(0, Outcome.SUCCEEDED)]))),
        f"ran on {WORKER} for 2.0 s; attempt 1",
    ),
    Code.REUSED: Case(
        task(look_at(state_of(A, events=[TaskReused(0, "yesterday")]))),
        "did not run: its result is that of run yesterday",
    ),
    Code.FAILED: Case(
        task(look_at(state_of(A, events=[FAILED]), over("failed"))),
        "failed in attempt 1: ValueError: not yet; it has no retries",
    ),
    Code.QUARANTINED: Case(
        task(
            look_at(
                state_of(
                    A, events=[FAILED._replace(failure=Failure((QUARANTINED,), "it killed three"))]
                )
            )
        ),
        "failed: Quarantined: it killed three",
    ),
    Code.SKIPPED: Case(
        task(
            look_at(
                state_of(
                    A._replace(watches=(Watch("truth"),)),
                    B._replace(conditions=(Condition("a", 0, 1),)),
                    events=[ended(0, Outcome.SUCCEEDED, seen=(0,))],
                )
            ),
            1,
        ),
        "did not run: its condition 'a' is not met",
    ),
    Code.BLOCKED: Case(
        task(look_at(state_of(A._replace(on_failure="continue"), B, events=[FAILED])), 1),
        "did not run: it needs 'a', which failed (ValueError: not yet)",
    ),
    Code.CANCELLED: Case(
        task(
            look_at(
                state_of(A, events=[CancelRequested(NOW, "wrong day", "anna@host-c:7")]),
                over("cancelled"),
            )
        ),
        "did not run: the run was cancelled by anna@host-c:7: wrong day",
    ),
    Code.UPSTREAM_FAILED: Case(
        task(look_at(state_of(A, B, events=[FAILED]), over("failed")), 1),
        "did not run: 'a' failed (ValueError: not yet), which ended the run",
    ),
    Code.TAIL: Case(
        task(
            look_at(
                state_of(A, B._replace(awaited=False), events=[ended(0, Outcome.SUCCEEDED)]),
                over("completed"),
            ),
            1,
        ),
        "had not ended when the run was over, which did not wait for it",
    ),
}
WAITING = {
    Code.WAITS_UPSTREAM: Case(task(look_at(state_of(A, B), FRESH), 1), "waits for 'a'"),
    Code.WAITS_LIST: Case(
        task(look_at(state_of(LIST, EACH), FRESH), 1),
        "waits for the list of 'a', which gives it its children",
    ),
    Code.WAITS_CHILDREN: Case(
        task(look_at(state_of(LIST, EACH, events=[GROWN, ended(2, Outcome.SUCCEEDED)])), 1),
        "waits for 2 of its 3 children",
    ),
    Code.DELAYED: Case(
        task(look_at(state_of(A), unled(waits_until=NOW + 90))),
        "is sent when the run starts, in 1 min 30 s",
    ),
    Code.PAUSED: Case(
        task(paused()),
        "waits because queue 'default' is paused by ann: disk is full (1 min 05 s ago)",
        "astrum-coordinator unpause --queue default",
        True,
    ),
    Code.HELD: Case(
        task(look_at(state_of(A._replace(on_lost="hold"), events=[ended(0, Outcome.LOST)]))),
        "is held (on_lost='hold'), since it may have had effects: find out which, then `release` "
        "it with --retry, --fail or --succeed; attempt 1 ended: ValueError: not yet",
        "astrum-coordinator show r a",
        True,
    ),
    Code.STOPPING: Case(
        task(look_at(state_of(A, B, TaskSpec("c"), events=[FAILED])), 1),
        "is not started any more: the run is being ended: 'a' failed (ValueError: not yet)",
    ),
}
READY = {
    Code.RUN_NOT_BEGUN: Case(
        task(look_at(state_of(A), unled(epoch=0), coordinators=[])),
        "is sent when a coordinator leads the run (serve does, and so does resume): it was "
        "submitted 1 min 40 s ago, and none has yet",
        "astrum-coordinator resume r",
        True,
    ),
    Code.NO_LEADER: Case(
        task(look_at(state_of(A), unled())),
        "is sent when a coordinator leads the run (serve does, and so does resume): none has "
        "for 4 s (the last was host:9:c)",
    ),
    Code.LEADER_REFUSED: Case(
        task(look_at(state_of(A), coordinators=[coordinator(refused="out of memory")])),
        "is ready, but the server refuses what its leader sends: out of memory; raise its "
        "maxmemory, or delete what takes it, such as ended runs",
        "astrum-coordinator forget --older 1h",
        True,
    ),
    Code.LEADER_IN_DOUBT: Case(
        task(look_at(state_of(A), coordinators=[coordinator(is_in_doubt=True)])),
        "is sent when its leader has read the run again: the server may have lost writes",
    ),
    Code.LIMIT_OF_RUN: Case(
        task(look_at(state_of(A, TaskSpec("c"), events=[OUT], limit=1), sent=SENT), 1),
        "is sent when there is room: 1 of the run is out, its limit is 1; the oldest: 'a'",
    ),
    Code.LIMIT_OF_TASK: Case(
        task(look_at(state_of(LIST, EACH, events=[GROWN, AttemptFoundOutstanding(2, 1)])), 3),
        "is sent when another child of 'b' ends: 1 is out, and at_once=1",
    ),
    Code.LIMIT_OF_LEADER: Case(
        task(look_at(state_of(A, TaskSpec("c"), events=[OUT]), sent=SENT), 1),
        "is sent when there is room: 1 of the run is out in queue 'default', as much as its "
        "workers need",
    ),
    Code.READY_MOMENT: Case(
        task(look_at(state_of(A), run_info(created_at=NOW - 1))), "is about to be sent"
    ),
    Code.READY_OVERDUE: Case(
        task(look_at(state_of(A), run_info(created_at=NOW - 40))),
        "has been ready for 40 s, and its leader has not sent it",
        "astrum-coordinator coordinators",
    ),
}
NOT_SERVED = {
    Code.UNSERVED_NO_WORKER: unserved(Code.UNSERVED_NO_WORKER),
    Code.UNSERVED_STARTING: unserved(Code.UNSERVED_STARTING, needs_person=False),
    Code.UNSERVED_TASK: unserved(Code.UNSERVED_TASK),
    Code.UNSERVED_VERSION: unserved(Code.UNSERVED_VERSION),
    Code.UNSERVED_QUEUE: unserved(Code.UNSERVED_QUEUE),
    Code.UNSERVED_RESOURCE: unserved(Code.UNSERVED_RESOURCE),
    Code.UNSERVED_DRAINING: unserved(Code.UNSERVED_DRAINING),
}
RETRIED = {
    Code.BACKING_OFF_RAISED: Case(
        task(retried(Outcome.FAILED)),
        "is tried again in 9 s: attempt 1 ended: ValueError: not yet",
    ),
    Code.BACKING_OFF_LOST: Case(
        task(retried(Outcome.LOST, at=NOW)),
        "is tried again in 1 s, alone on a worker: attempt 1 ended: ValueError: not yet",
    ),
    Code.BACKING_OFF_HANDED_BACK: Case(
        task(retried(Outcome.HANDED_BACK)),
        "is tried again in 0 s: attempt 2 ended: ValueError: not yet",
    ),
    Code.UNBELIEVED: Case(
        task(
            retried(
                Outcome.HANDED_BACK, failure=Failure((UNSERVED,), "it is not signed"), worker_id=""
            )
        ),
        "is tried again in 0 s: attempt 2 ended: NoWorkerServes: it is not signed",
    ),
    Code.RETRY_OVERDUE: Case(
        task(retried(Outcome.FAILED, at=NOW - 30)),
        "should have been tried again 20 s ago: attempt 1 ended: ValueError: not yet",
    ),
}


def run(look: Look) -> Callable[[], Explanation]:
    return lambda: explain_run(look)


RUNS = {
    Code.RUN_OPEN: Case(
        run(running()), "is under way for 1 min 40 s, led by host:9:c: 0 of 1 tasks succeeded"
    ),
    Code.RUN_STOPPING: Case(
        run(out(A, B, events=(CancelRequested(NOW, "no"),), taken=TAKEN)),
        "is being ended: the run was cancelled: no: 0 of 2 tasks succeeded",
    ),
    Code.RUN_COMPLETED: Case(
        run(look_at(state_of(A, events=[ended(0, Outcome.SUCCEEDED)]), over("completed"))),
        "has completed after 1 min 30 s: 1 of 1 tasks succeeded",
    ),
    Code.RUN_FAILED: Case(
        run(look_at(state_of(A, B, events=[FAILED]), over("failed"))),
        "has failed after 1 min 30 s: 0 of 2 tasks succeeded, 1 failed",
        "astrum-coordinator retry r",
    ),
    Code.RUN_CANCELLED: Case(
        run(look_at(state_of(A, events=[CancelRequested(NOW, "no")]), over("cancelled"))),
        "was cancelled after 1 min 30 s: 0 of 1 tasks succeeded; the run was cancelled: no",
        "astrum-coordinator retry r",
    ),
}
CASES = {**ENDED, **WAITING, **READY, **NOT_SERVED, **RETRIED, **QUEUED, **AT_WORK, **RUNS}
OTHERS = [
    Case(
        task(
            look_at(
                state_of(
                    A._replace(on_lost="hold"),
                    events=[ended(0, Outcome.LOST), Released(0, "succeed", NOW, "ann")],
                )
            )
        ),
        "was released as succeeded by ann",
    ),
    Case(
        task(
            look_at(
                state_of(
                    A, events=[ended(0, Outcome.SKIPPED, failure=Failure(("x.Skip",), "empty"))]
                )
            )
        ),
        "skipped itself: empty",
    ),
    Case(
        task(
            look_at(
                state_of(
                    LIST,
                    EACH._replace(max_failed=0, on_failure="continue"),
                    events=[
                        GROWN,
                        *(ended(n, Outcome.FAILED) for n in (2, 3)),
                        ended(4, Outcome.SUCCEEDED),
                    ],
                )
            ),
            1,
        ),
        "failed: 2 of its 3 children failed, the first is 'b[0]' (ValueError: not yet)",
    ),
    Case(
        task(look_at(state_of(LIST, EACH, events=[ended(0, Outcome.SUCCEEDED, seen=(0,))])), 1),
        "has no children, since its list is empty",
    ),
    Case(
        task(
            look_at(
                state_of(
                    LIST, EACH, events=[GROWN, *(ended(n, Outcome.SUCCEEDED) for n in (2, 3, 4))]
                )
            ),
            1,
        ),
        "has ended: 3 of its 3 children succeeded",
    ),
    Case(
        task(look_at(state_of(LIST, MORE, PAIRS), FRESH), 2),
        "waits for the lists of 'a', 'c', which give it its children",
    ),
]
"""Sentences that several codes share, or that have variants."""
assert NO.summary == "ValueError: not yet"
