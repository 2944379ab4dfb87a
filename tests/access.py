"""Users with the printed access rules, on a real server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import redis

from astrum.protocol.keys import Keys
from astrum_coordinator.cli.acl import Grant, grants, rule

PASSWORD = "pw"
KEYS = Keys()


def needs_plain_rules(client: redis.Redis) -> bool:
    """Tell whether the server is too old for selectors."""
    info: Any = client.info()
    return int(info["redis_version"].split(".")[0]) < 7


def make_user(
    client: redis.Redis,
    role: str,
    *,
    granted: Sequence[Grant] | None = None,
    keyless: Sequence[str] | None = None,
) -> None:
    """Make the user of a role, with other grants than the printed ones if they are given."""
    chosen = grants(role, KEYS) if granted is None else list(granted)
    plain = needs_plain_rules(client)
    line = rule(role, KEYS, chosen, keyless=keyless, password=PASSWORD, plain=plain)
    _execute(client, *line.split())


def url_of(url: str, role: str, **options: str) -> str:
    """Return the URL by which the user of a role logs in."""
    separator = "&" if "?" in url else "?"
    return (
        url + separator + urlencode({"username": f"astrum-{role}", "password": PASSWORD} | options)
    )


def denied(client: redis.Redis) -> list[str]:
    """Return what the server refused since the last look."""
    log = _execute(client, "ACL", "LOG")
    _execute(client, "ACL", "LOG", "RESET")
    names = [_field(entry, "object") for entry in log]
    # The blocking client introduces itself, and does not mind if it may not.
    introduction = ("client|setinfo", "client" if needs_plain_rules(client) else "")
    return [name for name in names if name not in introduction]


def _execute(client: redis.Redis, *words: str) -> Any:
    return client.execute_command(*words)  # type: ignore[no-untyped-call] # has no annotations


def _field(entry: Any, name: str) -> str:
    if isinstance(entry, list):
        entry = dict(zip(entry[::2], entry[1::2], strict=True))
    found = entry.get(name, entry.get(name.encode()))
    return found.decode() if isinstance(found, bytes) else str(found)
