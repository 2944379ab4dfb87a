"""Reads server URLs strictly: a part that is ignored could lead to another database.

No error shows the wrong part of the URL, which may belong to a password.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

DEFAULT_HOST, DEFAULT_PORT, SENTINEL_PORT = "localhost", 6379, 26_379
OPTIONS = ("db", "username", "password", "protocol")
"""The options after the ``?`` of a URL; ``protocol`` is always 2."""
SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
"""The login at the Sentinels themselves, which differs from the login at the server."""
SENTINEL_FORM = "redis+sentinel://HOST:26379,HOST:26379/MASTER/0"
"""How the URL of a server is written that Sentinels watch."""

_LAST_PORT = 65_535
_ENCODE = (
    "write # ? / % in a user, a password or a path percent-encoded, as %23 %3F %2F %25, and @ in "
    "an option as %40"
)


class Node(NamedTuple):
    """A host and a port at which a server or a Sentinel listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Address(NamedTuple):
    """A server and a database of it; ``path`` is its Unix socket, "" where it has a host.

    With ``sentinels`` there is neither path nor host: the Sentinels know where ``master`` is.
    """

    path: str
    host: str
    port: int
    username: str
    password: str
    database: int
    sentinels: tuple[Node, ...] = ()
    master: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""

    def __str__(self) -> str:
        return self.path or str(self.node)

    @property
    def node(self) -> Node:
        """The host and the port."""
        return Node(self.host, self.port)

    def at(self, node: Node) -> Address:
        """Return the address of the same database, with the same login, at another node."""
        return self._replace(path="", host=node.host, port=node.port, sentinels=())

    def of_sentinel(self, node: Node) -> Address:
        """Return the address of a Sentinel, with the login that Sentinels want."""
        login = (self.sentinel_username, self.sentinel_password)
        return Address("", node.host, node.port, *login, 0)


def read_address(url: str) -> Address:
    """Parse a URL; raises `ValueError` for every part without a meaning.

    >>> read_address("redis://:a%23b@db.example/5").database
    5
    >>> [str(node) for node in read_address("redis+sentinel://a,b:7/main").sentinels]
    ['a:26379', 'b:7']
    """
    scheme, _, rest = url.partition("://")
    main, _, query = rest.partition("?")
    if "#" in rest or "@" in query:
        raise ValueError(_ENCODE)
    is_watched = scheme.endswith("+sentinel")
    options = _options(query, (*OPTIONS, *SENTINEL_OPTIONS) if is_watched else OPTIONS)
    if scheme == "unix":
        credentials, path = _socket(main)
        address, database = Address(path, "", 0, "", "", 0), ""
    else:
        credentials, _, place = main.rpartition("@")
        address, database = _watched(place, options) if is_watched else _place(place)
    if "/" in credentials:
        raise ValueError(_ENCODE)
    user, _, password = (unquote(part) for part in credentials.partition(":"))
    return address._replace(
        username=_once("user", user, options.get("username", "")),
        password=_once("password", password, options.get("password", "")),
        database=_number(_once("database", database, options.get("db", ""))),
    )


def _options(query: str, known: Sequence[str]) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError(_ENCODE) from None
    options = dict(pairs)
    unknown = [name for name in options if name not in known]
    if unknown:
        *first, last = (name for name in known if name != "protocol")
        raise ValueError(
            f"it has no option {unknown[0]!r}: behind the ? may stand {', '.join(first)} and {last}"
        )
    if len(options) < len(pairs):
        raise ValueError("an option is given twice")
    if options.get("protocol", "2") != "2":
        raise ValueError("the option protocol must be 2")
    if "db" in options and not options["db"]:
        raise ValueError("the option db must be a number, as in ?db=5")
    return options


def _socket(main: str) -> tuple[str, str]:
    """Return the credentials and the path of a Unix socket."""
    credentials, _, path = ("", "", main) if main.startswith("/") else main.rpartition("@")
    if not path.startswith("/"):
        raise ValueError("a Unix socket needs its whole path, as in unix:///run/redis.sock")
    return credentials, os.fsdecode(unquote_to_bytes(path))  # names of files are bytes


def _place(place: str) -> tuple[Address, str]:
    """Return the server and the database in the part after the credentials."""
    address, _, database = place.partition("/")
    return Address("", *_node(address, DEFAULT_PORT), "", "", 0), database.strip("/")


def _watched(place: str, options: Mapping[str, str]) -> tuple[Address, str]:
    """Return the Sentinels with the name of the master, and the database."""
    addresses, _, path = place.partition("/")
    master, _, database = path.partition("/")
    if not master:
        raise ValueError(f"it needs the name of the master, as in {SENTINEL_FORM}")
    each = addresses.split(",")
    if len(each) > 1 and not all(each):
        raise ValueError(f"an address between the commas is missing; its form is {SENTINEL_FORM}")
    sentinels = tuple(_node(address, SENTINEL_PORT) for address in each)
    login = (options.get(name, "") for name in SENTINEL_OPTIONS)
    return Address("", "", 0, "", "", 0, sentinels, unquote(master), *login), database.strip("/")


def _node(address: str, default_port: int) -> Node:
    if address.startswith("["):
        host, bracket, port = address[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("an IPv6 address needs brackets, as in redis://[::1]:6379/0")
        port = port[1:]
    else:
        host, _, port = address.partition(":")
    number = _number(port or str(default_port), "the port is not a number; " + _ENCODE)
    if not 0 < number <= _LAST_PORT:
        raise ValueError(f"the port must be a number from 1 to {_LAST_PORT}")
    host = unquote(host)
    if any(character.isspace() for character in host):
        raise ValueError("a host has no spaces in it")
    return Node(host or DEFAULT_HOST, number)


def _once(what: str, first: str, second: str) -> str:
    if first and second and first != second:
        raise ValueError(f"the {what} is given twice, and differently")
    return first or second


def _number(text: str, refusal: str = "the database must be a number, as in ?db=5") -> int:
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(refusal)
    return int(text or 0)
