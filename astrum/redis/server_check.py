"""Checks once, at the start, that a server can be trusted with runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from astrum.errors import StoreConfigurationError
from astrum.redis.address import SENTINEL_FORM
from astrum.redis.client import Client
from astrum.redis.places import master_names
from astrum.redis.settings import RedisSettings, ServerIdentity

OLDEST_VERSION = (6, 2)
_EVICTING = ("allkeys-", "volatile-")
"""The prefix of policies that drop keys; a hosted server may name none at all."""


async def check_server(client: Client) -> ServerIdentity:
    """Return the server's identity if it can serve.

    Raises `StoreConfigurationError` for one that is too old, that may evict keys, that refuses
    the login, that does not own the keys, or is not Redis at all; `StoreUnavailableError` for one
    that cannot be reached, or cannot serve yet.
    """
    settings = client.settings
    info = parse_info(await client.execute("INFO"))
    if info.get("redis_mode", info.get("server_mode")) == "sentinel":
        raise await _no_server(client)
    _require_version(info, settings)
    _require_no_eviction(info, settings)
    # Every node answers INFO at any time; only a command on a key shows whether this one serves.
    await client.execute("ZSCORE", settings.keys.leases, "")
    return ServerIdentity(
        info.get("run_id", ""), info.get("master_replid", ""), _version_text(info)
    )


def parse_info(text: bytes) -> dict[str, str]:
    """Read the reply of INFO.

    >>> parse_info(b"# Server\\r\\nredis_version:7.0.15\\r\\n")
    {'redis_version': '7.0.15'}
    """
    lines = bytes(text).decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: value for name, separator, value in pairs if separator}


async def _no_server(client: Client) -> StoreConfigurationError:
    """Return the error for the address of a Sentinel, with the URL to write."""
    [masters] = await client.pipeline([("SENTINEL", "masters")], tolerant=True)
    names = master_names(masters)
    form = SENTINEL_FORM.replace("MASTER", names[0], 1) if len(names) == 1 else SENTINEL_FORM
    return StoreConfigurationError(
        f"{client.settings.masked_url} is a Sentinel and not a server: name the Sentinels and the "
        f"master that they watch, as in {form}"
    )


def _require_version(info: Mapping[str, str], settings: RedisSettings) -> None:
    version = info.get("redis_version", "")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_VERSION:
        raise StoreConfigurationError(
            f"{settings.masked_url}: the server says it is Redis {version or 'of no version'}; "
            "Astrum needs Redis 6.2 or later, or Valkey"
        )


def _require_no_eviction(info: Mapping[str, str], settings: RedisSettings) -> None:
    policy = info.get("maxmemory_policy", "")
    if policy.startswith(_EVICTING):
        raise StoreConfigurationError(
            f"{settings.masked_url}: maxmemory-policy is {policy!r}, so the server may drop runs "
            "when its memory is full; run CONFIG SET maxmemory-policy noeviction there, and set "
            "it in the server's configuration (of a hosted server, in its console)"
        )


def _version_text(info: Mapping[str, str]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '')}"
