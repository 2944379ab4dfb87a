"""Dead letters for people: where each came from, and what can still be read of it."""

from __future__ import annotations

from dataclasses import dataclass

from astrum.errors import DecodeError
from astrum.protocol.records import DeadLetter
from astrum.protocol.task_message import attribute, decode_message

HEX_BYTES = 256
"""How many bytes of an entry are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterView:
    """One dead letter.

    ``letter_id`` names it. ``at`` is when it was set aside, in seconds since the epoch, ``entry``
    its id in ``stream`` before that. ``size`` counts its bytes, of which ``hex`` has the first.
    Of the attempt that it was, ``run_id``, ``task``, ``task_id``, ``namespace`` and ``attempt`` are
    as far as they can be read ("" or `None`: not). ``unreadable`` says what is wrong with the
    bytes, "" if they are a whole message.
    """

    letter_id: str
    at: float
    stream: str
    entry: str
    reason: str
    size: int
    is_signed: bool
    run_id: str
    task: int | None
    namespace: str
    task_id: str
    attempt: int | None
    unreadable: str
    hex: str


def view_of(letter: DeadLetter) -> DeadLetterView:
    """Return what can be read of a dead letter."""
    run_id, task, attempt, namespace, task_id, unreadable = _message(letter.data)
    return DeadLetterView(
        letter_id=letter.letter_id,
        at=int(letter.letter_id.partition("-")[0]) / 1000,
        stream=letter.stream,
        entry=letter.entry_id,
        reason=letter.reason,
        size=len(letter.data),
        is_signed=bool(letter.signature),
        run_id=run_id,
        task=task,
        namespace=namespace,
        task_id=task_id,
        attempt=attempt,
        unreadable=unreadable,
        hex=letter.data[:HEX_BYTES].hex(" "),
    )


def _message(data: bytes) -> tuple[str, int | None, int | None, str, str, str]:
    try:
        whole = decode_message(data)
    except DecodeError as error:
        known = attribute(data)
        if known is None:
            return "", None, None, "", "", str(error)
        _, run_id, task, attempt = known
        return run_id, task, attempt, "", "", str(error)
    return whole.run_id, whole.task, whole.attempt, whole.namespace, whole.task_id, ""
