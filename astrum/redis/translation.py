"""Translates errors of the driver and the server by what to do: try again, or ask a person.

No message contains a password.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

import redis.exceptions as driver

from astrum.errors import (
    StoreConfigurationError,
    StoreError,
    StoreRefusesWritesError,
    StoreUnavailableError,
)
from astrum.redis.settings import RedisSettings

FAILURES = (driver.RedisError, OSError, EOFError)
"""Everything that a command may raise (a timeout is an OSError)."""

_PASSING = {
    "READONLY": "the server is a read-only replica now (a failover?)",
    "LOADING": "the server is loading its data",
    "MISCONF": "the server cannot save to its disk and refuses writes",
    "NOREPLICAS": "the server has too few replicas and refuses writes",
    "MASTERDOWN": "the server is a replica that lost its master",
    "CLUSTERDOWN": "the cluster is down",
    "TRYAGAIN": "the cluster is moving the keys to another node",
    "ASK": "the cluster is moving the keys to another node",
    "non local key in a cluster": "the cluster is moving the keys to another node",
    "MOVED": "the keys are on another node of the cluster now",
    "OOM": "the server's memory is full (maxmemory) and it refuses writes",
    "UNBLOCKED": "the server changed its role",
    "NOGROUP": "a stream or its consumer group is gone (has the server lost data?)",
    "BUSY": "the server is busy with a long script",
    "NOSCRIPT": "the server has forgotten its scripts (was it restarted just now?)",
    "max number of clients": "the server has too many clients and takes no more (maxclients)",
}
_REFUSING = ("MISCONF", "NOREPLICAS", "OOM")
"""Errors that may pass, or else need a person: the server runs but takes no writes."""
_FORBIDDEN = (
    "the server's access list forbids what Astrum needs: `astrum-coordinator acl` prints the "
    "rules to set there (the keys begin with {{{prefix}}}:)"
)
_STANDING = {
    "NOAUTH": "the server wants a password: put it in the URL, as in redis://user:password@host",
    "WRONGPASS": "the server refuses the user or the password in the URL",
    "NOPERM": _FORBIDDEN,
    "ACL failure in script": _FORBIDDEN,
    "DENIED": (
        "the server is in protected mode and takes no connections from other machines: give it a "
        "password, or connect from its own machine"
    ),
    "DB index is out of range": "the server has no such database: use a smaller number, or 0",
    "invalid DB index": "the server has no such database: use a smaller number, or 0",
    "SELECT is not allowed in cluster mode": (
        "a cluster has no database but 0: leave the number out of the URL, and separate "
        "deployments by --prefix"
    ),
    "CROSSSLOT": "the server is a cluster that spreads the keys over slots",
    "WRONGTYPE": "a key has a foreign type: does another application use the prefix {prefix!r}?",
}
_CHECK_ADDRESS = " (does a server run there, and is the address right?)"
_CODE = re.compile(r"(?:^|[\s-])(" + "|".join([*_PASSING, *_STANDING]) + r")\b")
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (driver.ReadOnlyError, "READONLY"),
    (driver.BusyLoadingError, "LOADING"),
    (driver.MasterDownError, "MASTERDOWN"),
    (driver.ClusterDownError, "CLUSTERDOWN"),
    (driver.TryAgainError, "TRYAGAIN"),
    (driver.OutOfMemoryError, "OOM"),
    (driver.NoPermissionError, "NOPERM"),
    (driver.MovedError, "MOVED"),
    (driver.AskError, "ASK"),
)


def translate(error: BaseException, settings: RedisSettings) -> StoreError:
    """Return Astrum's error for one of the driver: what happened, where, what to do.

    `StoreUnavailableError` if trying again is sensible, `StoreConfigurationError` if someone must
    change a setting first, else a plain `StoreError`.
    """
    if isinstance(error, StoreError):
        return error
    text = _masked(str(error) or type(error).__name__, settings)
    code = _code_of(error)
    where = settings.masked_url
    if code in _PASSING:
        kind = StoreRefusesWritesError if code in _REFUSING else StoreUnavailableError
        return kind(f"{where}: {_PASSING[code]} ({text})")
    if code in _STANDING:
        advice = _STANDING[code].format(prefix=settings.prefix)
        return StoreConfigurationError(f"{where}: {advice} ({text})")
    return _by_kind(error, settings, text)


def is_no_master(error: BaseException) -> bool:
    """Return whether a server refuses what another one may do: the master, or the keys' owner."""
    code = _code_of(error)
    if code == "UNBLOCKED":  # or a stream that was waited for is gone
        return "instance state" in str(error)
    return code in ("READONLY", "MASTERDOWN", "MOVED", "CLUSTERDOWN")


def is_about_keys(error: BaseException) -> bool:
    """Return whether an error is about the keys of a command, not about the server."""
    is_reply = isinstance(error, driver.ResponseError)
    return is_reply and _code_of(error) in ("", "NOGROUP", "WRONGTYPE")


def _by_kind(error: BaseException, settings: RedisSettings, text: str) -> StoreError:
    where = settings.masked_url
    if any(isinstance(cause, driver.AuthenticationError) for cause in _chain(error)):
        return StoreConfigurationError(f"{where}: cannot log in: {text}")
    if any(isinstance(cause, driver.InvalidResponse) for cause in _chain(error)):
        return StoreConfigurationError(
            f"{where}: what answers there is not Redis or Valkey, or wants TLS (rediss://): {text}"
        )
    refusal = next((cause for cause in _chain(error) if isinstance(cause, ssl.SSLError)), None)
    if refusal is not None:
        return _of_tls(refusal, where, text)
    if isinstance(error, (driver.TimeoutError, TimeoutError)):
        hint = "; is TLS spoken at that port?" if settings.is_encrypted else ""
        return StoreUnavailableError(f"{where}: no answer in time ({text}){hint}")
    refused = next((cause for cause in _chain(error) if isinstance(cause, PermissionError)), None)
    if refused is not None:
        return StoreConfigurationError(f"{where}: this user may not open the socket: {text}")
    if "path too long" in text:
        return StoreConfigurationError(f"{where}: a socket's path has less than 108 bytes: {text}")
    if isinstance(error, (driver.ConnectionError, OSError, EOFError)):
        was_cut = any(isinstance(cause, ConnectionResetError) for cause in _chain(error))
        if was_cut and settings.is_encrypted:
            return _cut_short(where, text)
        advice = _CHECK_ADDRESS if _has_no_server(error) else ""
        return StoreUnavailableError(f"{where}: cannot be reached: {text}{advice}")
    if "unknown command" in text.lower():
        return StoreConfigurationError(
            f"{where}: the server is too old, or its commands are restricted or renamed (Astrum "
            f"needs Redis 6.2 or later, or Valkey): {text}"
        )
    return StoreError(f"{where}: {text}")


def _has_no_server(error: BaseException) -> bool:
    absent = (ConnectionRefusedError, FileNotFoundError, socket.gaierror)
    return any(isinstance(cause, absent) for cause in _chain(error))


def _of_tls(error: ssl.SSLError, where: str, text: str) -> StoreError:
    """Return an error of TLS that will not pass by itself, else None."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreConfigurationError(
            f"{where}: the server's certificate is not trusted: {error.verify_message}; name the "
            "authority that issued it by --redis-ca or ASTRUM_REDIS_CA, and the host as in the "
            "certificate"
        )
    reason = (error.reason or str(error)).upper().replace(" ", "_")
    if "ALERT" in reason:
        return StoreConfigurationError(
            f"{where}: the server refuses this client's certificate, or the lack of one "
            f"(--redis-cert and --redis-key, ASTRUM_REDIS_CERT and ASTRUM_REDIS_KEY): {text}"
        )
    if "WRONG_VERSION" in reason or "RECORD_LAYER_FAILURE" in reason:
        return StoreConfigurationError(f"{where}: no TLS is spoken at that port: {text}")
    return _cut_short(where, text)


def _cut_short(where: str, text: str) -> StoreError:
    """Return the error of a broken TLS connection: a refused certificate, or a server's end."""
    return StoreUnavailableError(
        f"{where}: the TLS connection broke (does the server want another certificate, by "
        f"--redis-cert?): {text}"
    )


def _code_of(error: BaseException) -> str:
    for cause in _chain(error):
        code = _code_in(cause)
        if code:
            return code
    return ""


def _code_in(error: BaseException) -> str:
    text = str(error)
    for kind, code in _KINDS:
        if isinstance(error, kind):
            return code
    found = _CODE.search(text[:300])
    code = found.group(1) if found else ""
    if isinstance(error, driver.AuthenticationError):
        # A login may be refused for a reason that has nothing to do with it.
        if code in _PASSING or code == "DENIED":
            return code
        return "NOAUTH" if "required" in text.lower() else "WRONGPASS"
    return code if isinstance(error, driver.ResponseError) else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes: the driver wraps a refused login over a unix socket."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _masked(text: str, settings: RedisSettings) -> str:
    for password in settings.passwords:
        text = text.replace(password, "***")
    return text
