"""Private servers that stand together: a master that a Sentinel watches, and a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

import redis

from tests.servers import RedisServer, free_port

PATIENCE_S = 20.0
MASTER = "main"
_QUICK_REPLICA = {"repl-diskless-sync-delay": "0", "repl-timeout": "5"}
_SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))
_NODE_TIMEOUT_MS = 500
_PERIODS_MS = {"INFO-PERIOD": 50, "PING-PERIOD": 500, "ASK-PERIOD": 50, "PUBLISH-PERIOD": 50}
"""The Sentinel's own; a replica that was silent for five ping periods is not promoted."""


def until(fact: Callable[[], Any], what: str) -> Any:
    """Wait until servers that may be down for now agree on a fact, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if found := fact():
                return found
        except redis.RedisError:
            pass
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.01)


def send(server: RedisServer, *words: str | int | bytes) -> Any:
    """Send one command by a connection of its own, and return the raw reply."""
    with server.client() as client:
        client.response_callbacks.clear()
        return client.execute_command(*words)


def follows(replica: RedisServer) -> bool:
    """Return whether a replica has all that its master has."""
    return b"master_link_status:up" in send(replica, "INFO", "replication")


class Sentinel(RedisServer):
    """A Sentinel that is alone in its decisions, and quick."""

    def __init__(
        self, master_port: int, lines: Sequence[str] = (), binary: str | None = None
    ) -> None:
        super().__init__(binary, tcp=True)
        self._lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"unixsocket {self.directory}/s",
            f"sentinel monitor {MASTER} 127.0.0.1 {master_port} 1",
            f"sentinel down-after-milliseconds {MASTER} 200",
            f"sentinel failover-timeout {MASTER} 1000",
            *lines,
        ]

    def start(self) -> None:
        """Start it, in a hurry."""
        self._file.write_text("\n".join(self._lines) + "\n")
        super().start()
        periods = (word for name, period in _PERIODS_MS.items() for word in (name, period))
        send(self, "SENTINEL", "DEBUG", *periods)

    @property
    def _file(self) -> Any:
        return self.directory / "sentinel.conf"

    def _command(self) -> Sequence[str]:
        return [self.binary, str(self._file), "--sentinel"]


class Watched:
    """Two servers, one of which is the master, and the Sentinel that knows which.

    The first Sentinel in ``url`` is down.
    """

    def __init__(
        self, options: Mapping[str, str] | None = None, sentinel_lines: Sequence[str] = ()
    ) -> None:
        self._stack = ExitStack()
        self._options = _QUICK_REPLICA | dict(options or {})
        self._lines = sentinel_lines
        self._dead_port = free_port()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.servers = [self._server(stack) for _ in range(2)]
            send(self.servers[1], "REPLICAOF", "127.0.0.1", self.servers[0].port)
            until(lambda: follows(self.servers[1]), "a replica that follows")
            self.sentinel = stack.enter_context(Sentinel(self.servers[0].port, self._lines))
            until(self._is_whole, "a replica that can be promoted")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The address of the master, by two Sentinels."""
        return self.url_by(self.sentinel.port)

    def url_by(self, port: int) -> str:
        """Return the address of the master by a port that leads to the Sentinel."""
        return f"redis+sentinel://127.0.0.1:{self._dead_port},127.0.0.1:{port}/{MASTER}/0"

    @property
    def master(self) -> RedisServer:
        """The server that the Sentinel names now."""
        _, port = send(self.sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        [named] = [server for server in self.servers if server.port == int(port)]
        return named

    def fail_over(self) -> None:
        """Kill the master, and wait until the other server is in its place."""
        old = self.master
        old.kill()
        until(lambda: self.master is not old, "a failover")

    def mend(self) -> None:
        """Start what is down, and wait until it follows the master."""
        for server in self.servers:
            if server.process is None:
                server.start()
        until(self._is_whole, "a replica that can be promoted")

    def _is_whole(self) -> bool:
        """Return whether the Sentinel would promote the replica at once."""
        master = _fields(send(self.sentinel, "SENTINEL", "MASTER", MASTER))
        replicas = [_fields(row) for row in send(self.sentinel, "SENTINEL", "REPLICAS", MASTER)]
        states = [(row[b"flags"], row[b"master-link-status"]) for row in replicas]
        others = [server for server in self.servers if server is not self.master]
        is_known = master[b"flags"] == b"master" and states == [(b"slave", b"ok")]
        return is_known and all(map(follows, others))

    def _server(self, stack: ExitStack) -> RedisServer:
        return stack.enter_context(RedisServer(tcp=True, options=self._options))


class Cluster:
    """Three nodes that own the slots, and one that follows each owner of ``key``."""

    def __init__(self, key: str, options: Mapping[str, str] | None = None) -> None:
        self._stack = ExitStack()
        self._key = key
        self._options = _QUICK_REPLICA | dict(options or {})

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.nodes = [self._node(stack) for _ in range(4)]
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def owner(self) -> RedisServer:
        """The node that owns the slot of the key, by what most nodes say."""
        return self._holders()[0]

    @property
    def replica(self) -> RedisServer:
        """A node that would be promoted in the owner's place."""
        return self._holders()[1]

    @property
    def other(self) -> RedisServer:
        """A node that owns other slots."""
        return self.nodes[0]

    def fail_over(self) -> None:
        """Kill the owner, and wait until its replica is in its place."""
        old = self.owner
        old.kill()
        until(lambda: self.owner is not old, "a promoted replica")

    def swap(self) -> None:
        """Have the owner and its replica change places, in order."""
        new = self.replica
        send(new, "CLUSTER", "FAILOVER")
        until(lambda: self.owner is new, "a promoted replica")

    def begin_move(self, target: RedisServer) -> None:
        """Begin to move the slot of the key from its owner to another node."""
        source = self.owner
        self._set_slot(target, "IMPORTING", source)
        self._set_slot(source, "MIGRATING", target)

    def move_keys(self, target: RedisServer) -> None:
        """Move all keys that are in the slot now."""
        source = self.owner
        keys = send(source, "CLUSTER", "GETKEYSINSLOT", self._slot, 1000)
        send(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_move(self, target: RedisServer) -> None:
        """Make the other node the owner."""
        for node in (target, self.owner):
            self._set_slot(node, "NODE", target)
        until(lambda: self.owner is target, "a new owner")

    def mend(self) -> None:
        """Start what is down, and wait until the cluster is whole."""
        for node in self.nodes:
            if node.process is None:
                node.start()
        until(self._is_whole, "a whole cluster")

    def _set_slot(self, node: RedisServer, state: str, other: RedisServer) -> None:
        # Refused while the node's replica is slow to acknowledge it.
        words = ("CLUSTER", "SETSLOT", self._slot, state, _id(other))
        until(lambda: send(node, *words), "a slot that moves")

    @property
    def _slot(self) -> int:
        return int(send(self.other, "CLUSTER", "KEYSLOT", self._key))

    def _node(self, stack: ExitStack) -> RedisServer:
        own = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
            "cluster-replica-validity-factor": "0",
            "cluster-port": str(free_port()),
        }
        return stack.enter_context(RedisServer(tcp=True, options=self._options | own))

    def _join(self) -> None:
        for epoch, node in enumerate(self.nodes, 1):
            send(node, "CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for node, (first, last) in zip(self.nodes, _SLOTS, strict=False):
            send(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            bus = int(send(node, "CONFIG", "GET", "cluster-port")[1])
            send(self.other, "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        until(lambda: all(self._knows_all(node) for node in self.nodes), "nodes that met")
        until(lambda: self._is_ok(self.nodes[:3]), "a cluster")
        send(self.nodes[3], "CLUSTER", "REPLICATE", _id(self.owner))
        until(self._is_whole, "a whole cluster")

    def _knows_all(self, node: RedisServer) -> bool:
        lines = send(node, "CLUSTER", "NODES").splitlines()
        return len(lines) == len(self.nodes) and not any(b"handshake" in line for line in lines)

    def _is_ok(self, nodes: Sequence[RedisServer]) -> bool:
        return all(b"cluster_state:ok" in send(node, "CLUSTER", "INFO") for node in nodes)

    def _is_whole(self) -> bool:
        return self._is_ok(self.nodes) and len(self._holders()) == 2 and follows(self.replica)

    def _holders(self) -> list[RedisServer]:
        """Return the owner of the key's slot and its replica, as a node without part in it says."""
        by_port = {node.port: node for node in self.nodes}
        for first, last, *nodes in send(self.other, "CLUSTER", "SLOTS"):
            if first <= self._slot <= last:
                return [by_port[int(port)] for _, port, *_ in nodes]
        return []


def _fields(row: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(row[::2], row[1::2], strict=True))


def _id(node: RedisServer) -> bytes:
    return bytes(send(node, "CLUSTER", "MYID"))
