"""The server's settings, and the detection of lost writes."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote
from weakref import WeakSet

from astrum.errors import StoreConfigurationError
from astrum.protocol.keys import DEFAULT_PREFIX, Keys
from astrum.protocol.signing import KEY_VARIABLE, Signer
from astrum.redis.address import SENTINEL_FORM, Address, read_address
from astrum.redis.connection_counts import ConnectionCounts
from astrum.redis.places import Places

DEFAULT_URL = "redis://localhost:6379/0"
COMMAND_TIMEOUT_S = 5.0

_WATCHED = ("redis+sentinel", "rediss+sentinel")
_SCHEMES = ("redis", "rediss", "unix", *_WATCHED)
_NO_PORT = re.compile(r"^([^/?#\[]*:)(?!\d*(?:[/?#]|$))[^/?#]*")
_SHOWN_OPTIONS = ("db", "username", "protocol", "sentinel_username")
_IDENTITY = re.compile(rb"^(?:run_id|master_replid):(\w+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """The address of the server, and the credentials of this process.

    ``url``: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user and password if the
    server wants them; ``redis+sentinel://`` or ``rediss+sentinel://`` for the master that Sentinels
    name. ``prefix`` separates installations on one server. ``tls_ca_file`` is the
    authority to trust instead of the system's, ``tls_cert_file`` and ``tls_key_file`` are the
    client's certificate. ``signing_keys``: the first signs, all verify; without keys nothing is
    signed. Raises `StoreConfigurationError` for an invalid setting.
    """

    url: str = field(default=DEFAULT_URL, repr=False)
    prefix: str = DEFAULT_PREFIX
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)
    places: Places = field(default_factory=Places, init=False, repr=False, compare=False)
    """What all connections with these settings have learned about where the server is."""

    def __post_init__(self) -> None:
        scheme, separator, _ = self.url.partition("://")
        if not separator or scheme not in _SCHEMES:
            raise _no_server_url(self.masked_url, scheme)
        if scheme in _WATCHED:
            _ = self.address
        elif scheme != "unix":
            _check_database(self.url)
        try:
            Keys(self.prefix)
        except ValueError as error:
            raise StoreConfigurationError(str(error)) from None
        if self.signing_keys:
            _check_keys(self.signing_keys)
        if scheme.startswith("redis") and not self.is_encrypted and self.tls_ca_file:
            raise StoreConfigurationError(
                f"{self.masked_url}: an authority to trust is given, but {scheme}:// is not "
                f"encrypted; write {scheme.replace('redis', 'rediss')}:// (or unset "
                "ASTRUM_REDIS_CA)"
            )
        if self.tls_key_file and not self.tls_cert_file:
            raise StoreConfigurationError("a key file without a certificate (ASTRUM_REDIS_CERT)")

    @classmethod
    def from_env(
        cls,
        url: str | None = None,
        prefix: str | None = None,
        *,
        tls_ca_file: str | None = None,
        tls_cert_file: str | None = None,
        tls_key_file: str | None = None,
    ) -> RedisSettings:
        """Read ``ASTRUM_REDIS_URL``, ``ASTRUM_PREFIX``, ``ASTRUM_REDIS_CA``, ``ASTRUM_REDIS_CERT``,
        ``ASTRUM_REDIS_KEY`` and ``ASTRUM_SIGNING_KEY`` (one key, or several separated by commas);
        arguments win.
        """
        keys = os.environ.get(KEY_VARIABLE, "")
        return cls(
            url=url or os.environ.get("ASTRUM_REDIS_URL") or DEFAULT_URL,
            prefix=prefix or os.environ.get("ASTRUM_PREFIX") or DEFAULT_PREFIX,
            tls_ca_file=tls_ca_file or os.environ.get("ASTRUM_REDIS_CA") or None,
            tls_cert_file=tls_cert_file or os.environ.get("ASTRUM_REDIS_CERT") or None,
            tls_key_file=tls_key_file or os.environ.get("ASTRUM_REDIS_KEY") or None,
            signing_keys=tuple(key.strip().encode() for key in keys.split(",") if key.strip()),
        )

    @property
    def keys(self) -> Keys:
        """The key names under this prefix, for this database."""
        return Keys(self.prefix, self.database)

    @property
    def address(self) -> Address:
        """The address in the URL; raises `StoreConfigurationError` for one that cannot be read."""
        try:
            return read_address(self.url)
        except ValueError as error:
            raise StoreConfigurationError(
                f"the server URL {self.masked_url!r} cannot be read: {error}"
            ) from None

    @property
    def database(self) -> int:
        """The number of the database; 0 for a URL that cannot be read, which leads nowhere."""
        try:
            return read_address(self.url).database
        except ValueError:
            return 0

    @property
    def masked_url(self) -> str:
        """The URL without a password, for logs and errors."""
        return mask_url(self.url)

    @property
    def passwords(self) -> tuple[str, ...]:
        """The secrets that must never be shown, as in the URL and as they are sent."""
        raw = _passwords_in(self.url)
        return tuple({text for word in raw for text in (word, unquote(word)) if text})

    @property
    def is_encrypted(self) -> bool:
        """Whether the URL asks for TLS."""
        return self.url.startswith("rediss")

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how to speak TLS with the server, `None` for a URL without TLS.

        Raises `StoreConfigurationError` for a file that cannot be used.
        """
        if not self.is_encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca_file)
        except OSError as error:
            raise _bad_file("authority (--redis-ca)", self.tls_ca_file, error) from None
        if self.tls_cert_file:
            try:
                context.load_cert_chain(
                    self.tls_cert_file, self.tls_key_file, password=_refuse_passphrase
                )
            except OSError as error:
                names = " and ".join(filter(None, (self.tls_cert_file, self.tls_key_file)))
                raise _bad_file(
                    "certificate and key (--redis-cert, --redis-key)", names, error
                ) from None
        return context


@dataclass(frozen=True)
class ServerIdentity:
    """The identity of a server. If it changes at a reconnect, its last writes may be lost.

    ``version`` is for people, such as "Valkey 9.1.2".
    """

    run_id: str
    replication_id: str
    version: str


def _no_server_url(shown: str, scheme: str) -> StoreConfigurationError:
    if "sentinel" in scheme.lower():
        return StoreConfigurationError(
            f"{shown!r}: the URL of a server that Sentinels watch has the form {SENTINEL_FORM}, "
            "with rediss+sentinel:// for TLS"
        )
    return StoreConfigurationError(
        f"{shown!r} is not a server URL: it must begin with redis://, rediss://, unix:// or, for "
        "Sentinel, redis+sentinel://"
    )


def _check_keys(keys: tuple[bytes, ...]) -> None:
    try:
        Signer(keys)
    except ValueError as error:
        raise StoreConfigurationError(f"{KEY_VARIABLE}: {error}") from None


def _check_database(url: str) -> None:
    # The client library would silently take the first database.
    database = _path_of(url).strip("/")
    if database and not database.isdecimal():
        raise StoreConfigurationError(
            f"{mask_url(url)!r}: {database!r} is not a database number; write one as in "
            "redis://host:6379/0, or none"
        )


def _bad_file(what: str, name: str | None, error: OSError) -> StoreConfigurationError:
    reason = error.strerror or str(error)
    return StoreConfigurationError(f"the TLS {what} in {name} cannot be used: {reason}")


def _refuse_passphrase() -> str:
    raise OSError("the key is encrypted; decrypt it, and protect the file instead")


def mask_url(url: str) -> str:
    """Return the URL with every password replaced.

    Parts that may be a password are replaced as well: a user without one, the values of unknown
    options, and the part after a ``#``.

    >>> mask_url("redis://bob:s3cret@db.example:6379/0")
    'redis://bob:***@db.example:6379/0'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    if scheme == "unix" and rest.startswith("/"):
        return f"{scheme}{separator}{_mask_options(rest)}"
    credentials, at, address = rest.rpartition("@")
    if re.search(r"(?i)[?&]\w*password=", credentials):  # its end is taken for the host
        return f"{scheme}{separator}***"
    user, colon, _ = credentials.partition(":")
    if not at:  # in the place of the port there may be a password without its host
        address = _hide_ports(address, "," if scheme in _WATCHED else "")
    shown = f"{user}:***" if colon else "***" if at else ""
    return f"{scheme}{separator}{shown}{at}{_mask_options(address)}"


def _hide_ports(address: str, separator: str) -> str:
    """Replace each port that is not a number."""
    parts = address.split(separator) if separator else [address]
    return separator.join(_NO_PORT.sub(r"\1***", part) for part in parts)


def _mask_options(address: str) -> str:
    main, fragment, _ = address.partition("#")
    place, mark, query = main.partition("?")
    options = "&".join(map(_mask_option, query.split("&"))) if query else ""
    return f"{place}{mark}{options}{fragment and '#***'}"


def _mask_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if not equals:
        return "***"
    return option if name in _SHOWN_OPTIONS else f"{name}=***"


def _path_of(url: str) -> str:
    """Return the part after the host; not by `urlsplit`, since a password may contain a slash."""
    address = url.partition("://")[2].rpartition("@")[2]
    return re.split("[?#]", address, maxsplit=1)[0].partition("/")[2]


def _passwords_in(url: str) -> list[str]:
    credentials = url.partition("://")[2].rpartition("@")[0]
    return [credentials.partition(":")[2], *re.findall(r"(?i)[?&]\w*password=([^&]+)", url)]


class Droppable(Protocol):
    """An object that holds a connection to the server."""

    def drop(self) -> None:
        """End the connection at once; the next command opens another."""


class ServerLossDetector:
    """Notices that the server may have lost its last writes.

    Each new connection reports the server's identity. A change of it (a restart, a failover) or a
    vanished consumer group means that a loss is suspected; `acknowledge` reports it once.
    ``count`` is the number of suspected losses so far: decisions made under a smaller count must
    not be carried out. Every holder of a connection to the server registers by `attend`.
    ``counts`` are those of all these connections.
    """

    def __init__(self) -> None:
        self._holders: WeakSet[Droppable] = WeakSet()
        self._identity: frozenset[bytes] | None = None
        self._suspected = False
        self.count = 0
        self.counts = ConnectionCounts()

    @property
    def suspected(self) -> bool:
        """True if a possible loss of writes has not been handled yet."""
        return self._suspected

    def acknowledge(self, count: int | None = None) -> bool:
        """Return whether a loss is suspected, and mark it as handled.

        With ``count``, as it was before the loss was handled, a loss that was suspected meanwhile
        stays.
        """
        suspected = self._suspected
        self._suspected = suspected and count not in (None, self.count)
        return suspected

    def suspect(self) -> None:
        """Note that writes may have been lost."""
        self._suspected = True
        self.count += 1

    def attend(self, holder: Droppable) -> None:
        """Have a holder of a connection drop it when it leads to the wrong server."""
        self._holders.add(holder)

    def leave_server(self) -> None:
        """Drop all connections: they stay open to a server that is not the master any more.

        A replica still answers reading commands, so it would be trusted forever.
        """
        for holder in list(self._holders):
            holder.drop()

    def connected_to(self, info: bytes) -> bool:
        """Return whether the server's INFO text is of another server than before."""
        identity = frozenset(_IDENTITY.findall(info))
        is_another = self._identity is not None and identity != self._identity
        self._identity = identity
        if is_another:
            self.suspect()
        return is_another
