"""The settings of a coordinator process, checked on construction."""

from __future__ import annotations

from dataclasses import dataclass, fields

from astrum.errors import nearest_choice
from astrum.planning.fingerprint import COMPATIBLE, VERSION_POLICIES
from astrum.values.payload import MAX_ARGUMENT_BYTES

SHORTEST_TTL_S, LONGEST_TTL_S = 0.001, 10 * 365 * 86_400.0
"""How long an ended run may be kept; a server refuses lives that are much longer."""


_NOT_POSITIVE = ("start_patience_s", "versions", "history_s")
"""Settings that may be 0, or are no numbers."""


@dataclass(frozen=True, kw_only=True)
class CoordinatorConfig:
    """The settings of a coordinator; all ``_s`` are seconds.

    A leader renews its lease of ``lease_s`` every ``renew_every_s`` and steps down on its own
    ``step_down_after_s`` after the start of the last good renewal. ``outstanding_limit`` bounds
    the dispatched attempts of one run in one stream (`None`: by the pace of the stream). Results of
    ended runs are kept for ``result_ttl_s``. A task that no live worker serves fails its run after
    ``unserved_limit_s`` (`None`: it waits).
    ``timeout_grace_s`` is how long a worker may be late to report an attempt's timeout before
    the leader settles it. Every ``vanished_after_s`` a leader asks whether an attempt dispatched
    that long ago, which no worker runs, is still in its queue. For ``reap_grace_s`` after the
    server has not answered, no worker is declared dead: the workers have to reach it again too.
    For ``start_patience_s`` the start waits for a server that cannot serve yet. ``versions`` says
    which code may run the tasks of a run that does not say it: "compatible" or "exact".
    The chronicle of an ended run is kept for ``history_s`` (0: none is made); all of them together
    have ``history_bytes`` at most, and the oldest are dropped first.
    """

    lease_s: float = 10.0
    renew_every_s: float = 3.0
    step_down_after_s: float = 8.0
    reap_every_s: float = 5.0
    reap_grace_s: float = 5.0
    adopt_every_s: float = 1.0
    watch_every_s: float = 2.0
    journal_block_s: float = 5.0
    journal_count: int = 200
    outstanding_limit: int | None = None
    result_ttl_s: float = 24 * 3600.0
    unserved_limit_s: float | None = 300.0
    unserved_notice_s: float = 3.0
    timeout_grace_s: float = 5.0
    vanished_after_s: float = 10.0
    start_patience_s: float = 0.0
    versions: str = COMPATIBLE
    history_s: float = 30 * 86_400.0
    history_bytes: int = 256 * 1024 * 1024
    batch_items: int = 256
    batch_bytes: int = 256 * 1024
    max_argument_bytes: int = MAX_ARGUMENT_BYTES

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            is_number = value is not None and item.name not in _NOT_POSITIVE
            if is_number and not value > 0:
                raise ValueError(f"{item.name} must be positive, got {value!r}")
        check_versions(self.versions)
        check_result_ttl(self.result_ttl_s)
        check_history(self.history_s)
        if not self.renew_every_s < self.step_down_after_s < self.lease_s:
            raise ValueError(
                "a leader must renew before it steps down, and step down before its lease ends: "
                f"renew_every_s={self.renew_every_s:g} < step_down_after_s="
                f"{self.step_down_after_s:g} < lease_s={self.lease_s:g} does not hold"
            )


def check_result_ttl(result_ttl_s: float) -> None:
    """Raise ``ValueError`` for a time that an ended run cannot be kept for."""
    if not SHORTEST_TTL_S <= result_ttl_s <= LONGEST_TTL_S:
        raise ValueError(
            "result_ttl_s must be a number of seconds from "
            f"{SHORTEST_TTL_S} to {LONGEST_TTL_S:.0f} (3650 days), got {result_ttl_s!r}"
        )


def check_history(history_s: float) -> None:
    """Raise ``ValueError`` for a time that chronicles cannot be kept for."""
    if not 0 <= history_s <= LONGEST_TTL_S:
        raise ValueError(
            f"history_s must be a number of seconds from 0 to {LONGEST_TTL_S:.0f} (3650 days), got "
            f"{history_s!r}"
        )


def check_versions(versions: object) -> None:
    """Raise ``ValueError`` for what is not a policy for versions, with the nearest one."""
    if versions not in VERSION_POLICIES:
        raise ValueError(
            f"versions must be one of {', '.join(VERSION_POLICIES)}, got {versions!r}"
            f"{nearest_choice(versions, VERSION_POLICIES)}"
        )
