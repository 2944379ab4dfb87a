"""Every key in the store has a limited life."""

from __future__ import annotations

from typing import Any

import redis


def unowned_keys(client: redis.Redis) -> list[str]:
    """Return the keys of ours without expiry, and streams that `queues` does not name."""
    problems = []
    for raw in client.scan_iter(count=1000):
        key = raw.decode()
        life: Any = client.pttl(raw)
        if not key.startswith("{"):
            continue
        if life == -1:
            problems.append(f"{key} has no expiry")
        elif (
            client.type(raw) == b"stream"
            and ":q:" in key
            and not client.sismember(key.partition(":q:")[0] + ":queues", raw)
        ):
            problems.append(f"{key} is a stream that the set of queues does not name")
    return problems
