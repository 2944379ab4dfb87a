"""Where the server is now: the master that Sentinels name, or the owner of the keys in a cluster.

A search is a generator, so that the asyncio connections and the blocking one of the heartbeat
share it: it yields the visits to make and gets what came of each. The connection of its last visit
is the one to use. A plain server is found by the first visit.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import redis.exceptions as driver

from astrum.errors import StoreConfigurationError, StoreUnavailableError, listed, nearest
from astrum.redis.address import SENTINEL_FORM, Address, Node
from astrum.redis.script_library import Argument

logger = logging.getLogger("astrum")

ONLY_TIMEOUT_S, EACH_TIMEOUT_S = 5.0, 2.0
"""The time limit of a visit: of the only address there is, and of one among several."""

_MOVED = re.compile(r"MOVED \d+ (.*):(\d+)$")
_NOT_SERVED = "slot not served"
_UNKNOWN_HOSTS = ("", "?")
"""The announced hosts of a node that means: the host that was asked."""
_MOST_NAMES = 10

Answer = Sequence[Any] | Exception
"""The replies to a visit's commands, refusals included, or why the visit failed as a whole."""


class Visit(NamedTuple):
    """A connection to have, and what to send there; a second visit there uses the same one."""

    address: Address
    timeout_s: float
    commands: Sequence[Sequence[Argument]]


Search = Generator[Visit, Answer, None]


class Places:
    """What this process has learned about where one server is; shared by all its connections.

    Its members are replaced as a whole, never changed, since threads share it.
    """

    def __init__(self) -> None:
        self._current: Address | None = None
        self._others: tuple[Node, ...] = ()
        self._failed: tuple[Node, ...] = ()

    def search(self, address: Address, key: str, shown: str) -> Search:
        """Return the search for the server that serves ``key``; ``shown`` is its URL in errors.

        Raises the error of the visits, and `StoreConfigurationError` and `StoreUnavailableError`
        with the advice for what they show.
        """
        if address.sentinels:
            return _MasterSearch(self, address, shown).steps()
        return _OwnerSearch(self, address, key, shown).steps()

    @property
    def is_known(self) -> bool:
        """Whether the server was found before: then what is wrong now may pass."""
        return self._current is not None

    def candidates(self, home: Address) -> list[Address]:
        """Return where the owner of the keys may be: those that failed last time come last."""
        known = [self._current] if self._current is not None else []
        known += [home.at(node) for node in self._others]
        return sorted(
            dict.fromkeys([*known, home]),
            key=lambda each: self._failures(Node(each.host, each.port)),
        )

    def in_order(self, nodes: Sequence[Node]) -> list[Node]:
        """Return Sentinels in the order to ask them: those that failed last time come last."""
        return sorted(nodes, key=self._failures)

    def visit(self, visit: Visit) -> Generator[Visit, Answer, Answer]:
        """Make a visit, and note whether it failed; so has one that its search is given up in."""
        has_failed = True
        try:
            answer = yield visit
            has_failed = isinstance(answer, Exception)
        finally:
            node = visit.address.node
            others = tuple(failed for failed in self._failed if failed != node)
            self._failed = (*others, node) if has_failed else others
        return answer

    def learn(self, nodes: Sequence[Node]) -> None:
        """Note all nodes of the cluster."""
        self._others = tuple(nodes)

    def found(self, address: Address, shown: str, *, is_told: bool) -> None:
        """Note where the server is, and tell it if that is news."""
        before, self._current = self._current, address
        if before == address:
            return
        if before is not None:
            logger.info("%s: the server is %s now, and was %s", shown, address, before)
        elif is_told:
            logger.info("%s: the server is %s", shown, address)

    def _failures(self, node: Node) -> int:
        """Return 0 for a node that answered last time, else more the later it failed."""
        return self._failed.index(node) + 1 if node in self._failed else 0


def why_it_ended(replies: Iterable[Any], failure: Exception) -> Exception:
    """Return why a connection ended: a server that has no place for it says so, then closes it."""
    return next((reply for reply in replies if isinstance(reply, Exception)), failure)


class _OwnerSearch:
    """Finds the node that serves a key: the only one, or the owner of its slot in a cluster."""

    def __init__(self, places: Places, home: Address, key: str, shown: str) -> None:
        self._places = places
        self._home = home
        self._key = key
        self._shown = shown
        self._refusal: BaseException | None = None
        self._failure: BaseException | None = None

    def steps(self) -> Search:
        waiting = self._places.candidates(self._home)
        timeout_s = ONLY_TIMEOUT_S if len(waiting) == 1 else EACH_TIMEOUT_S
        visited: set[Address] = set()
        while waiting:
            address = waiting.pop(0)
            if address in visited:
                continue
            visited.add(address)
            probe = (("ZSCORE", self._key, ""), ("INFO", "cluster"))
            answer = yield from self._places.visit(Visit(address, timeout_s, probe))
            owner = self._owner(address, answer)
            if owner == address:
                yield from self._arrive(address, answer)
                return
            if owner is not None:
                waiting.insert(0, owner)
        raise self._error()

    def _owner(self, asked: Address, answer: Answer) -> Address | None:
        """Return where the keys are by what a node answered; `None` if it does not know."""
        if isinstance(answer, Exception):
            self._failure = self._failure or answer
            return None
        reply = answer[0]
        if is_moved(reply):
            self._refusal = self._refusal or reply
            return _moved_to(str(reply), asked)
        if isinstance(reply, Exception) and str(reply).startswith("CLUSTERDOWN"):
            self._refusal = reply
            return None
        return asked  # all other refusals are for the first command that needs the server

    def _arrive(self, address: Address, answer: Answer) -> Search:
        assert not isinstance(answer, Exception)
        in_cluster = b"cluster_enabled:1" in _bytes(answer[1])
        if in_cluster:
            slots = yield Visit(address, ONLY_TIMEOUT_S, (("CLUSTER", "SLOTS"),))
            if isinstance(slots, Exception):
                raise slots
            if isinstance(slots[0], list):  # else the access rules forbid it: the URL must do
                self._places.learn(_nodes(slots[0], address))
        self._places.found(address, self._shown, is_told=in_cluster)

    def _error(self) -> BaseException:
        refusal = self._refusal
        if refusal is None or (self._failure and is_moved(refusal)):
            assert self._failure is not None
            return self._failure
        if _NOT_SERVED in str(refusal) and not self._places.is_known:
            return StoreConfigurationError(
                f"{self._shown}: no node of the cluster owns the slot of the prefix; assign all "
                f"slots, as `redis-cli --cluster fix HOST:PORT` does, then try again ({refusal})"
            )
        return refusal


class _MasterSearch:
    """Asks the Sentinels, one after the other, until the server that one names is a master."""

    def __init__(self, places: Places, address: Address, shown: str) -> None:
        self._places = places
        self._address = address
        self._shown = shown
        self._names: set[str] = set()
        self._silent: list[tuple[Node, Exception]] = []
        self._failures: dict[Address, Exception] = {}

    def steps(self) -> Search:
        for sentinel in self._places.in_order(self._address.sentinels):
            named = yield from self._ask(sentinel)
            if named is None or named in self._failures:
                continue
            answer = yield Visit(named, EACH_TIMEOUT_S, (("INFO", "replication"),))
            refusal = _why_no_master(named, answer)
            if refusal is None:
                self._places.found(named, self._shown, is_told=True)
                return
            self._failures[named] = refusal
        raise self._error()

    def _ask(self, sentinel: Node) -> Generator[Visit, Answer, Address | None]:
        address, master = self._address.of_sentinel(sentinel), self._address.master
        question = ("SENTINEL", "get-master-addr-by-name", master)
        answer = yield from self._places.visit(Visit(address, EACH_TIMEOUT_S, (question,)))
        if isinstance(answer, driver.AuthenticationError):
            raise self._refused(sentinel, answer)
        if isinstance(answer, Exception):
            self._silent.append((sentinel, answer))
            return None
        if isinstance(answer[0], driver.ResponseError):
            raise self._refused(sentinel, answer[0])
        if answer[0] is not None:
            host, port = (_bytes(part).decode() for part in answer[0])
            return self._address.at(Node(host, int(port)))
        answer = yield Visit(address, EACH_TIMEOUT_S, (("SENTINEL", "masters"),))
        if not isinstance(answer, Exception):
            self._names.update(master_names(answer[0]))
        return None

    def _refused(self, sentinel: Node, error: Exception) -> StoreConfigurationError:
        if "unknown command" in str(error).lower():
            return StoreConfigurationError(
                f"{self._shown}: {sentinel} is a server and not a Sentinel; write its URL as "
                f"redis://{sentinel}/0, or name the Sentinels that watch it ({error})"
            )
        return StoreConfigurationError(
            f"{self._shown}: the Sentinel {sentinel} refuses the login; its own user and password "
            f"stand behind the URL, as ?sentinel_username=...&sentinel_password=... ({error})"
        )

    def _error(self) -> Exception:
        for failure in self._failures.values():
            return failure
        sentinels = self._address.sentinels
        if len(self._silent) == len(sentinels):
            return self._unreachable()
        master = self._address.master
        known = sorted(self._names)
        text = (
            f"{self._shown}: the Sentinels do not know a master {master!r}"
            f"{nearest(master, known)} (they know {listed(known, most=_MOST_NAMES)}; "
            f"the URL has the form {SENTINEL_FORM})"
        )
        if self._silent or self._places.is_known:
            return StoreUnavailableError(text)
        return StoreConfigurationError(text)

    def _unreachable(self) -> Exception:
        sentinel, error = self._silent[0]
        if any(isinstance(error, ssl.SSLError) for _, error in self._silent):
            return error
        is_late = any(isinstance(error, TimeoutError) for _, error in self._silent)
        tls = (
            "; is TLS spoken at these ports?"
            if is_late and self._shown.startswith("rediss")
            else ""
        )
        return StoreUnavailableError(
            f"{self._shown}: no Sentinel answers (do they run, and are the addresses right?); "
            f"{sentinel}: {str(error) or type(error).__name__}{tls}"
        )


def is_moved(error: object) -> bool:
    """Return whether a reply says that another node of the cluster owns the keys."""
    return isinstance(error, driver.ResponseError) and str(error).startswith("MOVED ")


def master_names(reply: Any) -> list[str]:
    """Return the names in the reply to SENTINEL MASTERS; none if it was refused."""
    if not isinstance(reply, list):
        return []
    rows = [dict(zip(row[::2], row[1::2], strict=True)) for row in reply]
    return [_bytes(row.get(b"name", b"")).decode("utf-8", "replace") for row in rows]


def _moved_to(text: str, asked: Address) -> Address | None:
    found = _MOVED.match(text)
    return _announced(found.group(1), int(found.group(2)), asked) if found else None


def _announced(host: str, port: int, asked: Address) -> Address:
    """Return the address of a node as another one announces it."""
    known = asked.host or "localhost" if host in _UNKNOWN_HOSTS else host
    return asked.at(Node(known, port))


def _nodes(slots: Sequence[Any], asked: Address) -> list[Node]:
    """Return all nodes in the reply to CLUSTER SLOTS, each once."""
    found = [_announced(host, port, asked) for host, port in _hosts(slots)]
    return list(dict.fromkeys(address.node for address in found))


def _hosts(slots: Sequence[Any]) -> Iterator[tuple[str, int]]:
    for _, _, *nodes in slots:
        for host, port, *_ in nodes:
            yield _bytes(host or b"").decode(), int(port)


def _why_no_master(named: Address, answer: Answer) -> Exception | None:
    if isinstance(answer, Exception):
        return answer
    reply = answer[0]
    if isinstance(reply, Exception):  # without INFO, the first refused write shows it
        return None if "NOPERM" in str(reply) else reply
    if b"role:master" in _bytes(reply):
        return None
    return driver.ConnectionError(f"the Sentinels name {named}, which is not a master yet")


def _bytes(reply: Any) -> bytes:
    return reply if isinstance(reply, bytes) else b""
