"""Every key in the store has a limited life, except what is published."""

from __future__ import annotations

from typing import Any

import redis


def is_published(client: redis.Redis, key: str) -> bool:
    """Return whether a key is that of the published flows, or of the plan of one of them."""
    tag, _, name = key.partition("}:")
    records: Any = client.hvals(f"{tag}}}:flows")
    kind, _, digest = name.partition(":")
    is_plan = kind == "plan" and any(digest.encode() in record for record in records)
    return name == "flows" or is_plan


def unowned_keys(client: redis.Redis) -> list[str]:
    """Return the keys of ours without expiry, and streams that `queues` does not name."""
    problems = []
    for raw in client.scan_iter(count=1000):
        key = raw.decode()
        life: Any = client.pttl(raw)
        if not key.startswith("{"):
            continue
        if life == -1 and not is_published(client, key):
            problems.append(f"{key} has no expiry")
        elif (
            client.type(raw) == b"stream"
            and ":q:" in key
            and not client.sismember(key.partition(":q:")[0] + ":queues", raw)
        ):
            problems.append(f"{key} is a stream that the set of queues does not name")
    return problems
