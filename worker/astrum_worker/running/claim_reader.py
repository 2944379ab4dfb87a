"""Decodes claims into an attempt to run, an attempt to refuse, or an unreadable entry."""

from __future__ import annotations

from typing import NamedTuple

from astrum.errors import DecodeError
from astrum.execution.attempt import AttemptContext, told_index
from astrum.machine.events import Outcome
from astrum.machine.failure import UNDECODABLE, UNSERVED, Failure
from astrum.protocol.sealing import Seal
from astrum.protocol.task_message import MESSAGE_VERSIONS, TaskMessage, attribute, decode_message
from astrum.redis import Claim
from astrum_worker.running.catalog import Catalog, Served
from astrum_worker.running.claimed import ClaimedAttempt


class Runnable(NamedTuple):
    """An attempt that this worker can run."""

    message: TaskMessage
    served: Served

    @property
    def other_code(self) -> str:
        """The code that runs it, "" if the task's code is the plan's."""
        planned, served = self.message.fingerprint, self.served
        return served.code if planned and planned != served.fingerprint else ""


class Refused(NamedTuple):
    """An attempt that is settled without being run."""

    run_id: str
    task: int
    attempt: int
    outcome: Outcome
    failure: Failure


class Unreadable(NamedTuple):
    """A claim so damaged that its attempt is not known."""

    reason: str


Reading = Runnable | Refused | Unreadable


class ClaimReader:
    """Reads claims for one catalog; a message with an invalid signature is never run."""

    def __init__(self, catalog: Catalog, seal: Seal) -> None:
        self._catalog = catalog
        self._seal = seal

    def read(self, claim: Claim) -> Reading:
        """Return what to do with a claim; never raises."""
        try:
            message = decode_message(claim.data)
        except DecodeError as error:
            return self._undecodable(claim, str(error))
        why = self._seal.distrust(message.run_id, claim.data, claim.signature)
        if why:
            return _hand_back(message.run_id, message.task, message.attempt, why)
        served = self._catalog.find(message)
        if served is None:
            why = self._catalog.why_not(message)
            return _hand_back(message.run_id, message.task, message.attempt, why)
        return Runnable(message, served)

    def _undecodable(self, claim: Claim, why: str) -> Reading:
        known = attribute(claim.data)
        if known is None:
            return Unreadable(why)
        version, run_id, task, attempt = known
        distrust = self._seal.distrust(run_id, claim.data, claim.signature)
        if distrust or version not in MESSAGE_VERSIONS:
            # A worker of the right version may be there: this one must not end the task.
            return _hand_back(run_id, task, attempt, distrust or why)
        return Refused(run_id, task, attempt, Outcome.FAILED, Failure((UNDECODABLE,), why))


def _hand_back(run_id: str, task: int, attempt: int, why: str) -> Refused:
    return Refused(run_id, task, attempt, Outcome.HANDED_BACK, Failure((UNSERVED,), why))


def claimed_attempt(claim: Claim, lane: str, reading: Reading, worker_id: str) -> ClaimedAttempt:
    """Return a claim as its message describes it, as far as that could be read."""
    if type(reading) is Runnable:
        message = reading.message
        context = AttemptContext(
            message.run_id,
            message.task_id,
            message.try_number,
            message.max_retries,
            message.namespace,
            worker_id,
            message.timeout_s,
            message.check_types,
            told_index(message.child_index),
            message.child_key,
            trace=message.trace,
        )
        held = ClaimedAttempt(claim, lane, message.task, message.attempt, context)
        held.code = reading.other_code
        return held
    if type(reading) is Refused:
        context = AttemptContext(reading.run_id, "", reading.attempt, worker_id=worker_id)
        return ClaimedAttempt(claim, lane, reading.task, reading.attempt, context)
    return ClaimedAttempt(claim, lane, -1, 0, AttemptContext("", "", 0, worker_id=worker_id))
