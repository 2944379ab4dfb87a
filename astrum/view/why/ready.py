"""Why a task that needs nothing from other tasks has not been sent to a queue."""

from __future__ import annotations

from typing import Any, NamedTuple

from astrum.errors import listed
from astrum.machine.budgets import LOSS_BUDGET
from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.failure import UNSERVED as UNSERVED_FAILURE
from astrum.protocol.pauses import Pause, PauseKind
from astrum.runtime.durations import age_text
from astrum.view.run_list import UNLED_S
from astrum.view.why.codes import NEEDS_PERSON, Code
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import Look

OVERDUE_S = 10.0
"""A leader acts sooner than this."""
STALLED_S = 60.0
"""A leader that has not acted for so long will not do so by itself."""
SILENT_S = 5.0
"""A coordinator that lives is heard of more often than this."""
A_LEADER = "a coordinator leads the run (serve does, and so does resume)"


class Unled(NamedTuple):
    """Why no coordinator leads a run: "it was submitted 4 s ago, and none has yet"."""

    code: Code
    text: str
    since: float | None
    advice: str
    needs_person: bool


def unled(look: Look) -> Unled | None:
    """Return why no coordinator leads the run, `None` if one does or if it is not its time yet."""
    info = look.moment.info
    if look.moment.is_led or info.waits_until is not None:
        return None
    if info.epoch == 0:
        code, since = Code.RUN_NOT_BEGUN, info.unled_since
        text = f"it was submitted {look.age(info.begun_at)} ago, and none has yet"
    else:
        code, since = Code.NO_LEADER, info.unled_since
        last = info.released_by or info.owner
        text = "none does" if since is None else f"none has for {look.age(since)}"
        text += f" (the last was {last})" if last else ""
    # A process that serves adopts a run within seconds; one that runs its own runs does not.
    waited_s = 0.0 if since is None else look.now - since
    is_alone = not look.moment.coordinators or waited_s > UNLED_S
    advice = look.coordinator_command("resume", look.moment.run_id) if is_alone else ""
    return Unled(code, text, since, advice, is_alone)


def silence(look: Look) -> str:
    """Return for how long nothing was heard of the leader, "" if it was heard of lately."""
    leader, lease_s = look.moment.leader, look.moment.info.lease_s
    if leader is not None:
        is_silent, how_long = leader.age_s >= SILENT_S, look.age(look.now - leader.age_s)
    else:  # one that has just begun to lead has said nothing yet, and has a whole lease
        is_silent, how_long = lease_s < SILENT_S, "some time"
    if not is_silent:
        return ""
    return (
        f", of which nothing was heard for {how_long}; if it is gone, another coordinator may lead "
        f"the run in {look.age(look.now - lease_s)}"
    )


def explain_ready(look: Look, task: int) -> Explanation:
    """Return why a task that is ready was not sent."""
    lack = unled(look)
    if lack is not None:
        return _unled(look, task, lack, "is sent when")
    led = look.led
    if led is not None and led.refused:
        return _refused(look, task, led.refused)
    if led is not None and led.is_in_doubt:
        text = "is sent when its leader has read the run again: the server may have lost writes"
        return _made(look, task, Code.LEADER_IN_DOUBT, text)
    return _limited(look, task) or _soon(look, task)


_ASK_SERVER = 'redis-cli -u "$ASTRUM_REDIS_URL" INFO'


def _refused(look: Look, task: int, refused: str) -> Explanation:
    """Return that the server takes no writes, and what a person can do about it."""
    text = f"is ready, but the server refuses what its leader sends: {refused}"
    if "memory" in refused:
        text += "; raise its maxmemory, or delete what takes it, such as ended runs"
        advice = look.coordinator_command("forget", options=["--older", "1h"])
    else:
        topics = {"disk": " persistence", "replicas": " replication"}
        advice = _ASK_SERVER + next((topics[word] for word in topics if word in refused), "")
    return _made(look, task, Code.LEADER_REFUSED, text, advice=advice)


def _unled(
    look: Look, task: int, lack: Unled, what: str, until: float | None = None, before: str = ""
) -> Explanation:
    return _made(
        look,
        task,
        lack.code,
        f"{what} {A_LEADER}: {lack.text}{f'; {before}' if before else ''}",
        since=lack.since,
        until=until,
        advice=lack.advice,
        needs_person=lack.needs_person,
    )


def _limited(look: Look, task: int) -> Explanation | None:
    """Return which limit is used up, `None` if none is."""
    out, limit, spec = look.state.outstanding_count, look.plan.concurrency_limit, look.spec(task)
    if limit is not None and out >= limit:
        text = (
            f"is sent when there is room: {_of_the_run(out)} out, its limit is {limit:,}; "
            f"the oldest: {listed(look.oldest_out, 3)}"
        )
        facts = {"outstanding": out, "limit": limit, "oldest": look.oldest_out}
        return _made(look, task, Code.LIMIT_OF_RUN, text, facts=facts)
    alike = look.out_by_task[spec.task_id]
    if spec.at_once is not None and alike >= spec.at_once:
        text = (
            f"is sent when another child of {spec.task_id!r} ends: {alike:,} {_is(alike)} out, and "
            f"at_once={spec.at_once:,}"
        )
        facts = {"outstanding": alike, "limit": spec.at_once}
        return _made(look, task, Code.LIMIT_OF_TASK, text, facts=facts)
    in_queue = look.out_by_queue[spec.queue]
    if in_queue:
        text = (
            f"is sent when there is room: {_of_the_run(in_queue)} out in queue "
            f"{spec.queue!r}, as much as its workers need"
        )
        return _made(look, task, Code.LIMIT_OF_LEADER, text, facts={"outstanding": in_queue})
    return None


def _of_the_run(count: int) -> str:
    return f"{count:,} of the run {_is(count)}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _soon(look: Look, task: int) -> Explanation:
    """Return that nothing is missing: the leader is about to send the task."""
    since = _ready_since(look, task)
    waited_s = look.now - since
    if waited_s < OVERDUE_S:
        silent = silence(look)
        text = f"is sent by the leader of the run{silent}" if silent else "is about to be sent"
        return _made(look, task, Code.READY_MOMENT, text, since=since)
    text = f"has been ready for {age_text(waited_s)}, and its leader has not sent it"
    return _made(
        look,
        task,
        Code.READY_OVERDUE,
        text,
        since=since,
        advice=look.coordinator_command("coordinators"),
        needs_person=waited_s > STALLED_S,
    )


def _ready_since(look: Look, task: int) -> float:
    """Return when a task became ready at the latest, as far as the journal shows it."""
    info, needs = look.moment.info, look.spec(task).needs
    times = [info.begun_at]
    times += [event.at for event in look.state.attempt_log.reopened[-1:]]
    ends = (look.last.get(number) for number in (task, *map(look.plan.index.__getitem__, needs)))
    times += [event.recorded_at for event in ends if event is not None]
    # The end of a gathered child may have been the last one: any end is a bound.
    times += [event.recorded_at for event in look.state.attempt_log.settled[-1:]]
    return max(times)


# --- tasks that are tried again -----------------------------------------------------------


def explain_backing_off(look: Look, task: int) -> Explanation:
    """Return why a task is tried again, and when."""
    due_at, what = look.state.due_at(task), look.what_ended(task)
    event = look.last.get(task)
    left_s, lack = due_at - look.now, unled(look)
    if left_s <= 0 and lack is not None:
        return _unled(look, task, lack, "is tried again when", due_at, what)
    facts = _retry_facts(look, task)
    if left_s < -OVERDUE_S:
        text = f"should have been tried again {age_text(-left_s)} ago: {what}"
        return _made(look, task, Code.RETRY_OVERDUE, text, until=due_at, facts=facts)
    text = f"is tried again {f'in {age_text(left_s)}' if left_s > 0 else 'now'}"
    if look.state.is_exclusive(task):
        text += ", alone on a worker"
    text += f": {what}"
    code = _why_again(event)
    since = None if event is None else event.recorded_at
    return _made(look, task, code, text, since=since, until=due_at, facts=facts)


def _why_again(event: AttemptSettled | None) -> Code:
    if event is None or event.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
        return Code.BACKING_OFF_RAISED
    if event.outcome is Outcome.LOST:
        return Code.BACKING_OFF_LOST
    # A leader replaces ends that are not signed by a known key; they name no worker.
    is_replaced = event.failure is not None and event.failure.types[:1] == (UNSERVED_FAILURE,)
    if is_replaced and not event.worker_id:
        return Code.UNBELIEVED
    return Code.BACKING_OFF_HANDED_BACK


def _retry_facts(look: Look, task: int) -> dict[str, Any]:
    budget, retry = look.state.budget(task), look.spec(task).retry
    return {
        "attempts": retry.max_retries + 1,
        "failed": budget.raised,
        "lost": budget.losses,
        "losses_allowed": LOSS_BUDGET,
        "handed_back": budget.handed_back,
        "delay_s": budget.delay_s,
    }


# --- tasks that wait for people or for a time ---------------------------------------------


def explain_held(look: Look, task: int) -> Explanation:
    """Return why a task is held."""
    event = look.last.get(task)
    text = (
        "is held (on_lost='hold'), since it may have had effects: find out which, then `release` "
        f"it with --retry, --fail or --succeed; {look.what_ended(task)}"
    )
    # Which of the three is right only a person can know: a wrong one may repeat the effects.
    advice = look.coordinator_command("show", look.moment.run_id, look.name(task))
    since = None if event is None else event.recorded_at
    return _made(look, task, Code.HELD, text, since=since, advice=advice)


def explain_delayed(look: Look, task: int, until: float) -> Explanation:
    """Return when the run of a task starts."""
    text = f"is sent when the run starts, in {age_text(until - look.now)}"
    return _made(look, task, Code.DELAYED, text, since=look.moment.info.created_at, until=until)


def explain_paused(look: Look, task: int, pause: Pause) -> Explanation:
    """Return who paused a task."""
    text = f"waits because {pause}"
    if pause.at:
        text += f" ({look.age(pause.at)} ago)"
    option = {PauseKind.QUEUE: "--queue", PauseKind.NAMESPACE: "--namespace"}
    options = (option.get(pause.target.kind, "--task"), pause.target.name)
    return _made(
        look,
        task,
        Code.PAUSED,
        text,
        since=pause.at or None,
        facts={"paused": str(pause.target), "by": pause.by, "reason": pause.reason},
        advice=look.coordinator_command("unpause", options=options),
    )


def explain_unserved(look: Look, task: int) -> Explanation:
    """Return why no live worker serves a task, and when that ends the run."""
    code, why = look.pool.lack(look.spec(task))
    text = f"has no worker that serves it in namespace {look.plan.namespace!r}: {why}"
    sent, led = look.sent(task), look.led
    until = led.unserved_until if led is not None and led.unserved else None
    if until is not None:
        text += f"; the run fails in {age_text(until - look.now)} unless one comes"
    return _made(
        look,
        task,
        code,
        text,
        since=None if sent is None else sent.sent_at,
        until=until,
        advice=look.worker_command(look.spec(task).queue) if code in NEEDS_PERSON else "",
    )


def explain_stopping(look: Look, task: int, *, is_out: bool) -> Explanation:
    """Return why a task is not started any more, in a run that has not ended yet."""
    text = "is taken back" if is_out else "is not started any more"
    sent = look.sent(task)
    since = sent.sent_at if is_out and sent is not None else None
    why, root = why_stopping(look)
    return _made(look, task, Code.STOPPING, f"{text}: {why}", since=since, root=root)


def why_stopping(look: Look) -> tuple[str, str]:
    """Return why a run, or a list of children, is being ended, and the task at the root of it."""
    log = look.state.attempt_log
    if not look.state.stopping:
        return "more children of its list failed than max_failed allows", ""
    if log.stop_reason:
        return f"the run is being ended: {log.stop_reason}", ""
    for task, failure in log.failures.items():
        name = look.name(task)
        return f"the run is being ended: {name!r} failed ({failure.summary})", name
    return "the run is being ended", ""


def _made(
    look: Look,
    task: int,
    code: Code,
    sentence: str,
    *,
    since: float | None = None,
    until: float | None = None,
    root: str = "",
    facts: dict[str, Any] | None = None,
    advice: str = "",
    needs_person: bool | None = None,
) -> Explanation:
    sent = look.sent(task)
    return Explanation(
        task_id=look.name(task),
        code=code,
        sentence=sentence,
        since=since,
        until=until,
        root=root,
        facts={
            "attempt": look.attempt_number(task),
            "queue": look.spec(task).queue,
            **({} if sent is None else {"sent_at": sent.sent_at}),
            **(facts or {}),
        },
        advice=advice,
        needs_person=code in NEEDS_PERSON if needs_person is None else needs_person,
    )
