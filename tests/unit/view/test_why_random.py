"""Over random runs: `explain` never raises, and what it says of a task is true of the state."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.machine.state import RunState
from astrum.machine.task_state import (
    BACKING_OFF,
    BLOCKED,
    CANCELLED,
    ENDED,
    FAILED,
    HELD,
    OUTSTANDING,
    READY,
    SKIPPED,
    SUCCEEDED,
    WAITING,
)
from astrum.planning.task_spec import OnFailure
from astrum.view import Code, Explanation, Look, Sent, Taken, explain, explain_run, unfinished
from tests.unit.machine.random_plans import RandomPlan
from tests.unit.machine.random_run import RandomRun
from tests.unit.view.moments import (
    FREE,
    FULL,
    NOW,
    WORKER,
    coordinator,
    look_at,
    over,
    run_info,
    unled,
    worker,
)
from tests.unit.view.why_cases import NOT_SERVED, RETRIED
from tests.unit.view.why_cases_sent import AT_WORK, QUEUED

POLICIES: tuple[OnFailure, ...] = ("stop", "continue", "ignore")
UNLED = {Code.NO_LEADER, Code.RUN_NOT_BEGUN}
READY_CODES = UNLED | {
    Code.LEADER_REFUSED,
    Code.LEADER_IN_DOUBT,
    Code.LIMIT_OF_RUN,
    Code.LIMIT_OF_TASK,
    Code.LIMIT_OF_LEADER,
    Code.READY_MOMENT,
    Code.READY_OVERDUE,
}
NOT_SENT = {Code.DELAYED, Code.PAUSED, *NOT_SERVED}
ALLOWED: dict[int, set[Code]] = {
    WAITING: {
        *(Code.WAITS_UPSTREAM, Code.WAITS_LIST, Code.WAITS_CHILDREN, Code.STOPPING),
        *READY_CODES,
        *NOT_SENT,
    },
    READY: {Code.STOPPING, *READY_CODES, *NOT_SENT},
    OUTSTANDING: {Code.STOPPING, *AT_WORK, *QUEUED, *NOT_SENT},
    BACKING_OFF: {Code.STOPPING, *RETRIED, *UNLED, *NOT_SENT},
    HELD: {Code.HELD, Code.STOPPING},
    SUCCEEDED: {Code.SUCCEEDED, Code.REUSED},
    FAILED: {Code.FAILED, Code.QUARANTINED},
    SKIPPED: {Code.SKIPPED},
    BLOCKED: {Code.BLOCKED},
    CANCELLED: {Code.CANCELLED, Code.UPSTREAM_FAILED},
}
"""The codes that may explain a task in each state, while its run is open."""


@settings(max_examples=60)
@given(seed=st.integers(0, 2**40))
def test_what_is_said_is_true_at_any_time_of_a_run(seed: int) -> None:
    random = Random(seed)
    run = RandomRun(RandomPlan(seed, POLICIES), seed)
    while not run.finishes:
        if random.random() < 0.05 and not run.state.stopping:
            run.stop()
        check(drawn(run, random))
        if run.finishes or not run.step():
            break
    # A process that only asks has read the journal and never began to lead.
    asked = look_at(run.replayed(run.outstanding), over(run.finishes[0]))
    for task in range(len(asked.state.states)):
        reason = explain(asked, task)
        assert reason.sentence
        assert reason.code not in (ALLOWED[READY] | ALLOWED[OUTSTANDING]) - {Code.STOPPING}
    assert explain_run(asked).code.startswith("run-")


def drawn(run: RandomRun, random: Random) -> Look:
    """Look at a run as its leader sees it, or as one that only reads, in a random pool."""
    state = run.state if random.random() < 0.5 else run.replayed(run.outstanding)
    out = list(run.outstanding)
    taken = {task: Taken(WORKER, NOW - 1) for task in out if random.random() < 0.5}
    ids = [spec.task_id for spec in run.plan.tasks]
    lost = random.choice([{}, {}, {random.choice(ids): random.choice(list(NOT_SERVED))}])
    return look_at(
        state,
        random.choice([run_info(), unled(), unled(epoch=0), unled(waits_until=NOW + 9)]),
        unserved=lost,
        workers=random.choice([[], [worker()], [worker(lane=random.choice([FREE, FULL]))]]),
        coordinators=random.choice([[], [coordinator()], [coordinator(refused="full")]]),
        sent={task: Sent(run.outstanding[task], NOW - 3) for task in out},
        taken=taken,
    )


def check(look: Look) -> None:
    for task in range(len(look.state.states)):
        reason = explain(look, task)
        assert reason.code in ALLOWED[look.state.states[task]], look.name(task)
        assert reason.sentence
        assert "\n" not in reason.sentence
        check_causes(look, task, reason)
    rows = unfinished(look.moment, look.pool)
    said = {row.task_id: (row.code, row.text) for row in rows}
    for task in look.unended():
        reason = explain(look, task)
        assert said[reason.task_id] == (reason.code, reason.sentence), "`show` and `why` differ"
    whole = explain_run(look)
    assert sum(group.count for group in whole.groups) + whole.tasks_left_out == len(rows)


def check_causes(look: Look, task: int, reason: Explanation) -> None:
    """What is named as the cause is the cause."""
    state = look.state
    is_taken = task in look.moment.taken
    if state.states[task] == OUTSTANDING:
        assert (reason.code in AT_WORK) == is_taken
    if reason.code in (Code.WAITS_UPSTREAM, Code.WAITS_LIST, Code.WAITS_CHILDREN):
        assert reason.waits_for
        for name in reason.waits_for:
            assert state.states[number(state, name)] not in ENDED
        assert reason.groups, "nothing holds it up"
        for group in reason.groups:
            for name in group.tasks:
                assert state.states[number(state, name)] not in ENDED
    if reason.code is Code.LIMIT_OF_RUN:
        assert state.outstanding_count >= (look.plan.concurrency_limit or 0)
    if reason.code is Code.LIMIT_OF_TASK:
        spec = look.spec(task)
        out = [one for one, _ in state.outstanding() if look.spec(one) is spec]
        assert len(out) >= (spec.at_once or 0)
    if reason.code is Code.BLOCKED and reason.root:
        assert state.states[number(state, reason.root)] in (FAILED, BLOCKED, CANCELLED)
    if reason.code in UNLED:
        assert not look.moment.is_led
    if reason.code is Code.STOPPING:
        assert not state.may_start(task)


def number(state: RunState, name: str) -> int:
    found = state.tasks.find_name(name)
    assert found is not None, name
    return found
