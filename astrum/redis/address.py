"""Reads server URLs strictly: a part that is ignored could lead to another database.

No error shows the wrong part of the URL, which may belong to a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

DEFAULT_HOST, DEFAULT_PORT = "localhost", 6379
OPTIONS = ("db", "username", "password", "protocol")
"""The options after the ``?`` of a URL; ``protocol`` is always 2."""

_LAST_PORT = 65_535
_ENCODE = (
    "write # ? / % in a user, a password or a path percent-encoded, as %23 %3F %2F %25, and @ in "
    "an option as %40"
)


class Address(NamedTuple):
    """A server and a database of it; ``path`` is its Unix socket, "" where it has a host."""

    path: str
    host: str
    port: int
    username: str
    password: str
    database: int


def read_address(url: str) -> Address:
    """Parse a URL; raises `ValueError` for every part without a meaning.

    >>> read_address("redis://:a%23b@db.example/5").database
    5
    """
    scheme, _, rest = url.partition("://")
    main, _, query = rest.partition("?")
    if "#" in rest or "@" in query:
        raise ValueError(_ENCODE)
    options = _options(query)
    if scheme == "unix":
        credentials, path = _socket(main)
        host, port, database = "", 0, ""
    else:
        credentials, _, place = main.rpartition("@")
        host, port, database = _place(place)
        path = ""
    if "/" in credentials:
        raise ValueError(_ENCODE)
    user, _, password = (unquote(part) for part in credentials.partition(":"))
    return Address(
        path,
        host,
        port,
        _once("user", user, options.get("username", "")),
        _once("password", password, options.get("password", "")),
        _number(_once("database", database, options.get("db", ""))),
    )


def _options(query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError(_ENCODE) from None
    options = dict(pairs)
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ValueError(
            f"it has no option {unknown[0]!r}: behind the ? may stand db, username and password"
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
    return credentials, unquote(path)


def _place(place: str) -> tuple[str, int, str]:
    """Return host, port and database of the part after the credentials."""
    address, _, database = place.partition("/")
    if address.startswith("["):
        host, bracket, port = address[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("an IPv6 address needs brackets, as in redis://[::1]:6379/0")
        port = port[1:]
    else:
        host, _, port = address.partition(":")
    number = _number(port or str(DEFAULT_PORT), "the port is not a number; " + _ENCODE)
    if not 0 < number <= _LAST_PORT:
        raise ValueError(f"the port must be a number from 1 to {_LAST_PORT}")
    return unquote(host) or DEFAULT_HOST, number, database.strip("/")


def _once(what: str, first: str, second: str) -> str:
    if first and second and first != second:
        raise ValueError(f"the {what} is given twice, and differently")
    return first or second


def _number(text: str, refusal: str = "the database must be a number, as in ?db=5") -> int:
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(refusal)
    return int(text or 0)
