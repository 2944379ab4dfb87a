"""A pool of real processes for the chaos driver: each has a link of its own to the server."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from astrum.machine.events import Outcome
from astrum.protocol.messages import Record, decode_entry
from astrum.protocol.records import RunInfo
from astrum.redis import RedisSettings, RunStore
from astrum.values.codec import Codec
from tests import warm_start
from tests.chaos.audit import Planned, Token, read_tokens, with_children
from tests.clusters import Watched
from tests.flows.chaos import CODE_VARIABLE, CODES, TOKENS_VARIABLE
from tests.processes import ROOT, AstrumProcess
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer

DURABLE = {"appendonly": "yes", "appendfsync": "everysec"}
MODULE = "tests.flows.chaos"
COMMAND_TIMEOUT_S = 120.0
FIRST_CODE = CODES[0]
POLICIES = ("compatible", "exact")


@dataclass
class Member:
    """One process of the pool and its link."""

    kind: str
    link: Proxy
    process: AstrumProcess
    code: str = FIRST_CODE
    is_ending: bool = False


class ChaosPool:
    """Workers and coordinators that are restarted when they end, as an orchestrator would."""

    def __init__(
        self,
        folder: Path,
        *,
        codes: Sequence[str],
        coordinators: int,
        worker_options: list[str],
        is_watched: bool = False,
        flow: str = "grid",
    ) -> None:
        """Prepare a pool with a worker for each of ``codes``; its runs are of ``flow``.

        With ``is_watched`` its server is a master with a replica, and the links lead to the
        Sentinel that knows it: what cuts or slows links does not reach the server then.
        """
        folder.mkdir(parents=True)
        self.folder = folder
        self._place = Watched(DURABLE) if is_watched else RedisServer(options=DURABLE)
        self._options = worker_options
        self._flow = flow
        self._first = [*(("worker", code) for code in codes)]
        self._first += [("coordinator", FIRST_CODE)] * coordinators
        self.members: list[Member] = []
        self.planned: dict[str, list[Planned]] = {}
        self.reopened: list[str] = []
        self.retired: set[str] = set()
        self.arriving: set[str] = set()
        self.unexpected_ends: list[str] = []
        self._logs = 0

    def __enter__(self) -> ChaosPool:
        self._place.__enter__()
        self.members = [self._start(kind, code) for kind, code in self._first]
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.process.close()
            member.link.close()
        self._place.__exit__()

    @property
    def server(self) -> RedisServer:
        """The server, or the master of now."""
        return self._place.master if isinstance(self._place, Watched) else self._place

    @property
    def watched(self) -> Watched:
        """The master with its replica and its Sentinel."""
        assert isinstance(self._place, Watched), "the pool was made without a Sentinel"
        return self._place

    def of(self, kind: str) -> list[Member]:
        """Return the members of one kind."""
        return [member for member in self.members if member.kind == kind]

    def kill(self, member: Member) -> None:
        """End a member as a crash does and put another in its place."""
        member.process.kill()
        self.replace(member)

    async def drain(self, member: Member) -> None:
        """Let a worker end as an operator does, and wait for its end."""
        member.is_ending = True
        worker = f"{socket.gethostname()}.{member.process.pid}."
        done = await asyncio.to_thread(self.command, "drain", worker)
        assert done.returncode == 0, done.stderr
        await asyncio.to_thread(member.process.wait)

    def replace(self, member: Member, code: str = "") -> Member:
        """Put another process in the place of one that ended, with other code if that is given."""
        self._dispose(member)
        other = self._start(member.kind, code or member.code)
        self.members[self.members.index(member)] = other
        return other

    def tend(self) -> None:
        """Replace what ended without being asked to, and remember that it did."""
        for member in list(self.members):
            if not member.process.is_alive() and not member.is_ending:
                output = member.process.output
                tail = "\n".join(output.splitlines()[-15:])
                if "serv" in output:  # else it met an unreachable server at its start
                    self.unexpected_ends.append(f"a {member.kind} ended:\n{tail}")
                self.replace(member)

    def all_serve(self) -> bool:
        """Whether every member has come up."""
        return all("serv" in member.process.output for member in self.members)

    def codes(self) -> list[str]:
        """Return the versions of the code that workers have and that new runs may be of."""
        return sorted({member.code for member in self.of("worker")} - self.retired)

    def _start(self, kind: str, code: str) -> Member:
        link, url = self._link()
        environment = {TOKENS_VARIABLE: str(self.folder / "tokens"), CODE_VARIABLE: code}
        if kind == "worker":
            arguments = [MODULE, "--redis", url, "--wait", *self._options]
            process = AstrumProcess("astrum_worker", *arguments, environment=environment)
        else:
            arguments = ["serve", "--redis", url]
            process = AstrumProcess("astrum_coordinator", *arguments, environment=environment)
        return Member(kind, link, process, code)

    def _link(self) -> tuple[Proxy, str]:
        """Return a link of one member's own, and the URL of the server by it."""
        if isinstance(self._place, Watched):
            link = Proxy(target_of(self._place.sentinel)).__enter__()
            return link, self._place.url_by(link.port)
        link = Proxy(target_of(self._place)).__enter__()
        return link, link.url

    def _dispose(self, member: Member) -> None:
        self._logs += 1
        log = self.folder / f"{member.kind}-{member.process.pid}-{self._logs}.log"
        log.write_text(member.process.output)
        member.process.close()
        member.link.close()

    # --- runs -------------------------------------------------------------------------------

    def submit(self, run_id: str, rng: random.Random) -> bool:
        """Submit a run of any code that is served; false if the server could not be reached."""
        plans = self.planned.setdefault(run_id, [])
        if not plans or plans[-1].code not in {member.code for member in self.of("worker")}:
            policy = rng.choice(POLICIES)
            plans.append(Planned(rng.choice(self.codes()), policy))
        code, policy = plans[-1]
        self.arriving.add(run_id)
        try:
            options = ("-n", self._flow, "--run-id", run_id, "--versions", policy)
            done = self.command("submit", MODULE, *options, code=code)
        finally:
            self.arriving.discard(run_id)
        return done.returncode == 0

    def show(self, run_id: str) -> dict[str, Any]:
        """Return the report of a run, by the command."""
        done = self.command("show", run_id, "--json")
        assert done.returncode == 0, done.stderr
        return with_children(json.loads(done.stdout))

    def tokens(self) -> dict[str, list[Token]]:
        """Return the traces of all executions by run."""
        return read_tokens(self.folder / "tokens")

    async def runs(self) -> list[RunInfo]:
        """Return what is known of all runs."""
        async with RunStore.open(RedisSettings(url=self._place.url)) as store:
            return await store.list_runs(1000)

    async def successes(self, run_id: str, task_ids: Sequence[str]) -> Counter[str]:
        """Count the records of success in a run's journal by task."""
        async with RunStore.open(RedisSettings(url=self._place.url)) as store:
            entries = await store.read_journal({run_id: "0-0"}, block_s=None, count=1_000_000)
        records = [r for e in entries for r in decode_entry(e.data) if isinstance(r, Record)]
        return Counter(_name(r, task_ids) for r in records if r.outcome is Outcome.SUCCEEDED)

    def leftovers(self) -> list[str]:
        """Return what is left in the queues when nothing runs any more; it should be nothing."""
        found = []
        with self.server.client() as client:
            for raw in client.scan_iter("*:q:*"):
                length = _length(client, raw)
                if length:
                    found.append(f"{raw.decode()} still has {length} entries")
        return found

    def command(self, *arguments: str, code: str = FIRST_CODE) -> subprocess.CompletedProcess[str]:
        """Run a command of the coordinator, which has this code."""
        process = warm_start.start(
            [
                sys.executable,
                "-m",
                "astrum_coordinator",
                *arguments,
                "--redis",
                self._place.url,
            ],
            cwd=ROOT,
            env={**os.environ, CODE_VARIABLE: code},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, err = process.communicate(timeout=COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says where it hangs
            out, err = process.communicate()
            raise AssertionError(f"{arguments} did not end:\n{err}") from None
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def _name(record: Record, task_ids: Sequence[str]) -> str:
    """Return the task of a record; a child's result says who it is."""
    if record.task < len(task_ids):
        return task_ids[record.task]
    return str(Codec().decode(record.value or b"")["name"])


def _length(client: redis.Redis, key: bytes) -> int:
    length: Any = client.xlen(key)
    return int(length)
