"""Asks a worker, or `serve`, whether it is ready: ``astrum-worker --probe``.

A container runs this every few seconds, so it imports nothing of Astrum: that would take longer
than the question.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence

VARIABLE = "ASTRUM_HEALTH"
WITHIN_S = 4.0
"""Docker's own limit for a health check is 5 s or longer."""
_READY, _NOT_READY, _WRONG_USAGE = 0, 1, 2
"""As in `astrum.runtime.exit_codes`."""
_MOST_BYTES = 64 * 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_USAGE = (
    "give the address that the worker answers on, as in --probe http://127.0.0.1:8081, or set "
    f"{VARIABLE}=127.0.0.1:8081 for the worker and the probe"
)


def probe(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Return 0 if the process at the address is ready, 1 if it is not, 2 if the address is wrong.

    Says on standard error why it is not ready.
    """
    if len(arguments) > 1:
        return _say("--probe takes one address and no other options", _WRONG_USAGE)
    text = arguments[0] if arguments else environment.get(VARIABLE, "")
    if not text:
        return _say(f"--probe needs an address: {_USAGE}", _WRONG_USAGE)
    try:
        host, port, path = read_url(text)
    except ValueError:
        return _say(f"--probe: {text!r} is not an address: {_USAGE}", _WRONG_USAGE)
    try:
        status, body = _asked(host, port, path)
    except OSError as error:
        return _say(f"not ready: {host}:{port} does not answer: {error}", _NOT_READY)
    if status == 200:
        return _READY
    return _say(f"not ready: {status} {body}", _NOT_READY)


def read_url(text: str) -> tuple[str, int, str]:
    """Return host, port and path of ``http://HOST:PORT/PATH``; only host and port are needed.

    An address of all interfaces becomes that of this host. Raises ``ValueError`` for others.

    >>> read_url("http://127.0.0.1:8081"), read_url("[::]:80"), read_url("http://a:1/live")
    (('127.0.0.1', 8081, '/ready'), ('::1', 80, '/ready'), ('a', 1, '/live'))
    """
    scheme, found, rest = text.rpartition("://")
    if found and scheme.lower() != "http":
        raise ValueError(text)
    place, slash, path = rest.partition("/")
    host, colon, port = place.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(text)
    is_port = port.isascii() and port.isdecimal() and 0 < int(port) < 65536
    if not colon or not is_port or not f"{host}{path}".isascii() or not text.isprintable():
        raise ValueError(text)
    return _EVERYWHERE.get(host, host), int(port), slash + path if path else "/ready"


def _asked(host: str, port: int, path: str) -> tuple[int, str]:
    """Return the status of the answer, and its text on one line."""
    named = f"[{host}]" if ":" in host else host
    request = f"GET {path} HTTP/1.1\r\nHost: {named}:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    with socket.create_connection((host, port), WITHIN_S) as connection:
        connection.sendall(request.encode())
        while len(answer) < _MOST_BYTES and (part := connection.recv(_MOST_BYTES)):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise OSError("what listens there does not speak HTTP")
    text = " ".join(body.decode(errors="replace").split())
    return int(words[1]), "".join(one if one.isprintable() else "?" for one in text)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code
