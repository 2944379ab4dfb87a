"""The stable codes of `why`: what a task, or a run as a whole, does or waits for."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The reason for the state of a task or a run; programs may rely on the values."""

    # --- tasks that have ended ----------------------------------------------------------
    SUCCEEDED = "succeeded"
    """An attempt succeeded, or a person gave the result."""
    REUSED = "reused"
    """It did not run: it has its result from an earlier run."""
    FAILED = "failed"
    """It failed for good."""
    QUARANTINED = "quarantined"
    """It is not tried again, since its workers died while they ran it."""
    SKIPPED = "skipped"
    """It said so, its condition did not hold, or it needs a task that was skipped."""
    BLOCKED = "blocked"
    """It needs a task that failed."""
    CANCELLED = "cancelled"
    """The run was cancelled, or others of its list failed."""
    UPSTREAM_FAILED = "upstream-failed"
    """It was not started, since another task failed and stopped the run."""
    TAIL = "tail"
    """The run is over and did not wait for it."""

    # --- tasks that wait for others, or for people --------------------------------------
    WAITS_UPSTREAM = "waits-upstream"
    """Tasks that it needs have not ended."""
    WAITS_LIST = "waits-list"
    """The list that gives it its children is not known yet."""
    WAITS_CHILDREN = "waits-children"
    """A mapped task: some of its children have not ended."""
    DELAYED = "delayed"
    """The run waits for the time at which it starts."""
    PAUSED = "paused"
    """An operator has paused its queue, its namespace or the task."""
    HELD = "held"
    """Its worker was lost, and a person decides whether it runs again."""
    STOPPING = "stopping"
    """The run is being ended, so no attempt of it begins any more."""

    # --- ready tasks, which a leader has not sent to a queue -----------------------------
    RUN_NOT_BEGUN = "run-not-begun"
    """No coordinator has led the run yet."""
    NO_LEADER = "no-leader"
    """No coordinator leads the run now."""
    LEADER_REFUSED = "leader-refused"
    """The server refuses what the leader sends, for example because its memory is full."""
    LEADER_IN_DOUBT = "leader-in-doubt"
    """The leader reads the run again, since the server may have lost writes."""
    LIMIT_OF_RUN = "limit-of-run"
    """The flow's limit of concurrent attempts is used up."""
    LIMIT_OF_TASK = "limit-of-task"
    """So many children of the task are under way as its `at_once` allows."""
    LIMIT_OF_LEADER = "limit-of-leader"
    """Its queue holds as much as its workers need; the rest waits with the leader."""
    READY_MOMENT = "ready-moment"
    """It is about to be sent."""
    READY_OVERDUE = "ready-overdue"
    """It should have been sent some time ago."""

    # --- tasks that no live worker serves ------------------------------------------------
    UNSERVED_NO_WORKER = "unserved-no-worker"
    """There is no live worker at all."""
    UNSERVED_STARTING = "unserved-starting"
    """The workers of `run` are still starting."""
    UNSERVED_TASK = "unserved-task"
    """No live worker has a module that declares it."""
    UNSERVED_VERSION = "unserved-version"
    """The live workers have another version of it."""
    UNSERVED_QUEUE = "unserved-queue"
    """No live worker listens to its queue."""
    UNSERVED_RESOURCE = "unserved-resource"
    """The live workers lack a resource that it needs."""
    UNSERVED_DRAINING = "unserved-draining"
    """All live workers that serve it are draining."""

    # --- tasks that are tried again -------------------------------------------------------
    BACKING_OFF_RAISED = "backing-off-raised"
    """An attempt failed or timed out; the next begins after a delay."""
    BACKING_OFF_LOST = "backing-off-lost"
    """The worker of an attempt was lost; the next begins after a delay."""
    BACKING_OFF_HANDED_BACK = "backing-off-handed-back"
    """A worker handed an attempt back; the next begins after a delay."""
    UNBELIEVED = "unbelieved"
    """The end of an attempt was not signed with a known key, so it runs again."""
    RETRY_OVERDUE = "retry-overdue"
    """Its next attempt should have begun some time ago."""

    # --- attempts in a queue ----------------------------------------------------------------
    QUEUED = "queued"
    """It waits for its turn."""
    QUEUED_MOMENT = "queued-moment"
    """It was sent a moment ago."""
    QUEUED_SLOTS_FULL = "queued-slots-full"
    """All slots of the workers that serve it are used."""
    QUEUED_NOT_CLAIMING = "queued-not-claiming"
    """The workers that serve it claim nothing at the moment."""
    QUEUED_READER_STUCK = "queued-reader-stuck"
    """A worker that serves it has free slots and has not read its queues for long."""
    QUEUED_ALONE = "queued-alone"
    """It must be the only attempt on its worker, since a worker was lost with it."""
    VANISHED = "vanished"
    """Its message is not in the queue any more; the leader sends it again."""

    # --- attempts with a worker ----------------------------------------------------------
    CLAIMED_WAITING = "claimed-waiting"
    """A worker has taken it and has no free slot for it yet."""
    RUNNING = "running"
    """It runs."""
    RUNNING_BLOCKED = "running-blocked"
    """It stands still, since another task blocks the event loop of its worker."""
    RUNNING_BLOCKS = "running-blocks"
    """It blocks the event loop of its worker itself."""
    RUNNING_OVERDUE = "running-overdue"
    """It runs for longer than its timeout."""
    DELIVERING = "delivering"
    """It ended, and its worker has not delivered that to the server yet."""
    WORKER_SILENT = "worker-silent"
    """Its worker has stopped to renew its lease; soon it counts as dead."""
    REVOKED_RUNNING = "revoked-running"
    """It is to end, and still runs."""

    # --- runs as a whole -----------------------------------------------------------------
    RUN_OPEN = "run-open"
    """The run is under way."""
    RUN_STOPPING = "run-stopping"
    """The run is being ended."""
    RUN_COMPLETED = "run-completed"
    """The run has completed."""
    RUN_FAILED = "run-failed"
    """The run has failed."""
    RUN_CANCELLED = "run-cancelled"
    """The run was cancelled."""


UNSERVED = frozenset(code for code in Code if code.startswith("unserved-"))
"""The codes of tasks that no live worker serves."""
NEEDS_PERSON = (UNSERVED - {Code.UNSERVED_STARTING}) | {
    Code.PAUSED,
    Code.HELD,
    Code.LEADER_REFUSED,
    Code.QUEUED_READER_STUCK,
}
"""The codes of what does not go on before a person acts. Others need one only after some time."""
