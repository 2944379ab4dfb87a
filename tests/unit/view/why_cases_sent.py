"""The cases of `why` for attempts that are in a queue or with a worker."""

from __future__ import annotations

from astrum.machine.events import (
    AttemptFoundOutstanding,
    CancelRequested,
    Outcome,
)
from astrum.protocol.status import LaneStatus, LoopBlock, RunningAttempt, WaitingAttempt
from astrum.protocol.streams import Stream
from astrum.view import Code, Sent, Taken
from tests.unit.view.moments import (
    FULL,
    NOW,
    WORKER,
    ended,
    look_at,
    silent,
    state_of,
    worker,
)
from tests.unit.view.why_states import (
    TAKEN,
    A,
    Case,
    out,
    running,
    task,
)

QUEUED = {
    Code.QUEUED: Case(
        task(out(queued={Stream("default", "async"): 7})),
        "waits in queue 'default' for 40 s, where 7 wait",
    ),
    Code.QUEUED_MOMENT: Case(
        task(out(sent={0: Sent(1, NOW - 0.25)})), "was sent to queue 'default' 250 ms ago"
    ),
    Code.QUEUED_SLOTS_FULL: Case(
        task(
            out(
                workers=[worker(lane=FULL, running=(RunningAttempt("x", 5, "slow", 1, 99.0),))],
                queued={Stream("default", "async"): 2},
            )
        ),
        "waits in queue 'default' for 40 s, where 2 wait: the slots of its worker are used by "
        "'slow' ×1, the oldest of them for 1 min 39 s",
    ),
    Code.QUEUED_NOT_CLAIMING: Case(
        task(out(workers=[worker(not_claiming=("no_lease", "draining"), drain_left_s=8.0)])),
        f"waits in queue 'default' for 40 s: its worker claims nothing: {WORKER} (no lease, "
        "draining, 8 s left)",
    ),
    Code.QUEUED_READER_STUCK: Case(
        task(out(workers=[worker(lane=LaneStatus(4, 1, 3, read_age_s=50.0))])),
        f"waits in queue 'default' for 40 s: {WORKER} serves it, has free slots, and has not read "
        "its queues for 50 s",
        f"astrum-coordinator drain {WORKER} --replace",
        True,
    ),
    Code.QUEUED_ALONE: Case(
        task(
            look_at(
                state_of(A, events=[ended(0, Outcome.LOST), AttemptFoundOutstanding(0, 2)]),
                sent={0: Sent(2, NOW - 40)},
            )
        ),
        "waits in queue 'default' for 40 s, for a worker that runs nothing else, since a worker "
        "was lost with it",
    ),
    Code.VANISHED: Case(
        task(out(vanished={0})),
        "was sent to queue 'default', and its message is not there any more: its leader sends it "
        "again within some ten seconds",
    ),
}
BLOCK = LoopBlock(14.0, "pdf.py:88", "parse")
AT_WORK = {
    Code.CLAIMED_WAITING: Case(
        task(
            out(
                taken={0: Taken(WORKER, NOW - 1)},
                workers=[worker(waiting=(WaitingAttempt("r", 0, "a", 1, 0.9),))],
            )
        ),
        f"was taken by {WORKER} 1 s ago and waits there for a free slot",
    ),
    Code.RUNNING: Case(task(running()), f"runs on {WORKER} for 30 s"),
    Code.RUNNING_BLOCKED: Case(
        task(running(blocked=BLOCK)),
        f"stands still on {WORKER}: task 'parse' blocks the event loop there for 14 s at pdf.py:88",
    ),
    Code.RUNNING_BLOCKS: Case(
        task(running(blocks="pdf.py:88", blocked=BLOCK)),
        f"runs on {WORKER} for 30 s and blocks its event loop for 14 s at pdf.py:88; what else "
        "runs there (1) may stand still",
    ),
    Code.RUNNING_OVERDUE: Case(
        task(running(A._replace(timeout_s=20.0, lane="thread"))),
        f"runs on {WORKER} for 30 s, and its limit is 20 s: its leader gives it up soon; a plain "
        "function cannot be interrupted",
    ),
    Code.DELIVERING: Case(
        task(out(taken=TAKEN, workers=[worker(unsettled=214)])),
        f"ended on {WORKER}; 214 ends wait there for the server",
    ),
    Code.WORKER_SILENT: Case(
        task(out(taken=TAKEN, workers=[], silent=silent(18.0))),
        f"was taken by {WORKER} 30 s ago, which is not alive any more (its last heartbeat was 18 s "
        "ago): the attempt counts as lost soon, and the task runs again",
    ),
    Code.REVOKED_RUNNING: Case(
        task(out(A._replace(lane="thread"), events=(CancelRequested(NOW),), taken=TAKEN)),
        f"is to end, and still runs on {WORKER} for 30 s; a plain function cannot be interrupted",
    ),
}
