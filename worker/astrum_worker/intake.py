"""What a claim says: something to run, something to refuse, or nothing that can be read."""

from __future__ import annotations

from typing import NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.machine.events import Outcome
from astrum.machine.failure import UNDECODABLE, UNSERVED, Failure
from astrum.redis import Claim
from astrum.wire.messages import PROTOCOL_VERSION, TaskMessage, decode_message
from astrum.wire.signing import Signer
from astrum_worker.catalog import Catalog, Served


class Runnable(NamedTuple):
    """An attempt that this worker can run."""

    message: TaskMessage
    served: Served


class Refused(NamedTuple):
    """An attempt that is settled without being run."""

    run_id: str
    task: int
    attempt: int
    outcome: Outcome
    failure: Failure


class Unreadable(NamedTuple):
    """A claim that belongs to no attempt that could be named."""

    reason: str


Reading = Runnable | Refused | Unreadable


class Intake:
    """Reads claims for one catalog; with a ``signer`` only signed messages are run."""

    def __init__(self, catalog: Catalog, signer: Signer | None = None) -> None:
        self._catalog = catalog
        self._signer = signer

    def read(self, claim: Claim) -> Reading:
        """Say what to do with a claim; never raises."""
        try:
            message = decode_message(claim.data)
        except DecodeError as error:
            return _undecodable(claim.data, str(error))
        if self._signer is not None and not self._signer.verify(
            "task", message.run_id, claim.data, claim.signature
        ):
            return _hand_back(
                message,
                "the message is not signed by a key of this worker; give all processes the same "
                "ASTRUM_SIGNING_KEYS",
            )
        served = self._catalog.find(message)
        if served is None:
            return _hand_back(message, self._catalog.why_not(message))
        return Runnable(message, served)


def _hand_back(message: TaskMessage, why: str) -> Refused:
    failure = Failure((UNSERVED,), why)
    return Refused(message.run_id, message.task, message.attempt, Outcome.HANDED_BACK, failure)


def _undecodable(data: bytes, why: str) -> Reading:
    known = attribute(data)
    if known is None:
        return Unreadable(why)
    version, run_id, task, attempt = known
    if version != PROTOCOL_VERSION:
        # A worker of the right version may be there: this one must not end the task.
        return Refused(run_id, task, attempt, Outcome.HANDED_BACK, Failure((UNSERVED,), why))
    return Refused(run_id, task, attempt, Outcome.FAILED, Failure((UNDECODABLE,), why))


def attribute(data: bytes) -> tuple[int, str, int, int] | None:
    """Return version, run id, task and attempt of a message whose rest may be damaged or cut."""
    reader = msgpack.Unpacker(strict_map_key=True, max_buffer_size=max(len(data), 1))
    try:
        reader.feed(data)
        if reader.read_array_header() < 4:
            return None
        version, run_id, task, attempt = (reader.unpack() for _ in range(4))
    except Exception:  # msgpack raises many kinds for hostile bytes
        return None
    numbers = (version, task, attempt)
    if type(run_id) is not str or any(type(number) is not int for number in numbers):
        return None
    return version, run_id, task, attempt
