"""Every key in the store has a limited life or a documented owner."""

from __future__ import annotations

import fnmatch
from typing import Any

import redis

OWNED = {
    "{*}:queues": "names the streams; one small set",
    "{*}:runs": "open runs; an entry goes with its run's end or expiry",
    "{*}:q:*": "a stream that `queues` names; settled entries are deleted",
    "{*}:wz": "leases; the reaper removes those of dead workers",
}
"""Patterns of keys that may live for ever, and why."""


def unowned_keys(client: redis.Redis) -> list[str]:
    """Return the keys without expiry that nobody owns, and streams that `queues` does not name."""
    problems = []
    for raw in client.scan_iter(count=1000):
        key = raw.decode()
        ttl: Any = client.pttl(raw)
        if ttl != -1 or not key.startswith("{"):
            continue
        if not any(_matches(key, pattern) for pattern in OWNED):
            problems.append(f"{key} has no expiry and no owner")
        elif ":q:" in key and not client.sismember(key.partition(":q:")[0] + ":queues", raw):
            problems.append(f"{key} is a stream that the set of queues does not name")
    return problems


def _matches(key: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(key, pattern.replace("[", "[[]"))
