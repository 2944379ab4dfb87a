"""A server behind a simulated network: the store's model behind RESP.

The product's own stores, links and channels talk to it. A message may be late or never come, its
connection may break before or after the server acted on it; bytes of one connection keep their
order, as TCP has it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hiredis

from tests.contract.model import Model, State
from tests.simulation.commands import BUSY, Blocked, Commands
from tests.simulation.loop import OUTSIDE, Process, VirtualLoop, current_process
from tests.simulation.resp import encode


@dataclass
class Weather:
    """How likely each message meets a fault; all zero is calm."""

    slow: float = 0.0
    reset: float = 0.0
    stall: float = 0.0


class Connection(asyncio.Transport):
    """Both ends of one connection and the network between."""

    def __init__(self, network: Network, process: Process, protocol: Any) -> None:
        super().__init__()
        self.network = network
        self.process = process
        self.protocol = protocol
        self.client_id = network.next_client_id()
        self.generation = network.generation
        self.is_open = True
        self.stalls: set[str] = set()
        self.waits: Blocked | None = None
        self.is_subscribed = False
        self._parser = hiredis.Reader()
        self._arrives = {"there": 0.0, "back": 0.0}

    # --- the client's end -------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send bytes to the server."""
        if self.is_open:
            self.network.carry(self, "there", self._reach_server, bytes(data))

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait on this side: the network has them all."""
        return 0

    def is_closing(self) -> bool:
        """Tell whether the client's end is closed."""
        return not self.is_open

    def abort(self) -> None:
        """Close the client's end; the server hears of it later."""
        self.lose()

    close = abort

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return nothing."""
        return default

    def lose(self) -> None:
        """End the connection for both ends at once; what is under way may still arrive."""
        if not self.is_open:
            return
        self.is_open = False
        self.network.forget(self)
        now = self.network.loop.time()
        self.network.loop.call_in(self.process, now, self.protocol.connection_lost, None)

    # --- the server's end -------------------------------------------------------------------

    def _reach_server(self, data: bytes) -> None:
        if self.generation != self.network.generation:
            return  # the server that knew this connection is gone
        self._parser.feed(data)
        while (command := self._parser.gets()) is not False:
            reply = self.network.commands.run(self, [bytes(part) for part in command])
            if reply is not BUSY:
                self.answer(reply)

    def answer(self, reply: Any) -> None:
        """Send a reply to the client."""
        if self.is_open:
            self.network.carry(self, "back", self._reach_client, encode(reply))

    def _reach_client(self, data: bytes) -> None:
        if self.is_open:
            now = self.network.loop.time()
            self.network.loop.call_in(self.process, now, self._receive, data)

    def _receive(self, data: bytes) -> None:
        if self.is_open:
            self.protocol.data_received(data)

    def when_to_arrive(self, way: str, delay_s: float) -> float:
        """Return when a message arrives that is sent now: never before an earlier one."""
        arrives = max(self._arrives[way], self.network.loop.time() + delay_s)
        self._arrives[way] = arrives
        return arrives


class Network:
    """The way to the server, and the server itself."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, say: Callable[[str], None]) -> None:
        self.loop = loop
        self.rng = rng
        self.say = say
        self.weather = Weather()
        self.counts: Counter[str] = Counter()
        self.model = Model(lambda: int(loop.time() * 1000))
        self.commands = Commands(self.model, self)
        self.is_down = False
        self.cut_off: set[Process] = set()
        self.generation = 1
        self.connections: list[Connection] = []
        self._client_ids = 0
        loop.create_unix_connection = self.connect  # type: ignore[assignment, method-assign]

    @property
    def identity(self) -> str:
        """The server's name for itself since its last start."""
        return f"{self.generation:040x}"

    def next_client_id(self) -> int:
        """Return the next connection's number."""
        self._client_ids += 1
        return self._client_ids

    async def connect(self, factory: Callable[[], Any], path: str) -> tuple[Connection, Any]:
        """Connect the process that calls, as the loop's method of that name."""
        process = current_process()
        await asyncio.sleep(self.rng.uniform(0.0002, 0.002))
        while process in self.cut_off:  # noqa: ASYNC110  # packets are sent again and again
            await asyncio.sleep(1.0)
        if self.is_down:
            raise ConnectionRefusedError("simulated: the server is down")
        protocol = factory()
        connection = Connection(self, process, protocol)
        self.connections.append(connection)
        protocol.connection_made(connection)
        return connection, protocol

    def carry(
        self, connection: Connection, way: str, arrive: Callable[[bytes], None], data: bytes
    ) -> None:
        """Bring bytes to the other end, or do not."""
        if way in connection.stalls or connection.process in self.cut_off:
            return
        delay_s = self.rng.uniform(0.0002, 0.002)
        fault = self._fault()
        if fault == "slow":
            delay_s = self.rng.choice((0.03, 0.3, 1.5, 4.0)) * self.rng.random()
        elif fault == "stall":
            connection.stalls.add(way)
            return
        elif fault == "reset":
            self.loop.call_in(OUTSIDE, self.loop.time() + delay_s, connection.lose)
            connection.stalls.add(way)  # nothing that is sent later overtakes what broke it
            if self.rng.random() < 0.5:
                return
            delay_s *= self.rng.choice((1, 3000))  # it may arrive when no client waits any more
        when = connection.when_to_arrive(way, delay_s)
        self.loop.call_in(OUTSIDE, when, arrive, data)

    def _fault(self) -> str:
        dice = self.rng.random()
        for name in ("slow", "reset", "stall"):
            dice -= getattr(self.weather, name)
            if dice < 0:
                self.counts[f"message {name}"] += 1
                return name
        return ""

    def forget(self, connection: Connection) -> None:
        """Note that a connection is over."""
        if connection in self.connections:
            self.connections.remove(connection)
        self.commands.stop_waiting(connection)

    # --- what happens to the server ------------------------------------------------------------

    def stop(self) -> None:
        """Crash: every connection breaks, no client can connect."""
        self.is_down = True
        self.generation += 1
        for connection in list(self.connections):
            connection.lose()

    def start(self, snapshot: State | None = None) -> None:
        """Come back as another server, perhaps as it was some time ago."""
        self.is_down = False
        self.commands.forget_scripts()
        if snapshot is not None:
            self.model.roll_back(snapshot)

    def disconnect(self, process: Process) -> None:
        """Break all connections of a process, as its death does."""
        for connection in [c for c in self.connections if c.process is process]:
            connection.lose()
