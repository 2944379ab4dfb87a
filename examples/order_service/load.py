"""Sends orders at a steady rate while processes are killed, and counts what became of them.

    python load.py --orders 1000 --rate 50 --kill worker,serve,web,redis

Starts everything by itself: a private server with an append-only file, two workers, two
coordinators, and the web service. Each customer repeats an order, with the same key, until the
answer says that it is done. The exit code is 1 if an order was lost or charged twice.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from ledger import open_ledger
from pool import KINDS, Pool

WAIT_S = 10.0
"""Seconds that one request waits for the end of its order."""
PAUSE_S = 0.2
DOWN_S = 0.5
"""Seconds between a kill and the new start."""


@dataclass
class Seen:
    """What the customers saw."""

    latencies_s: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    completed: set[str] = field(default_factory=set)
    failed: dict[str, Any] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)


def order_of(number: int) -> dict[str, Any]:
    """Return an order; for each twentieth the bank's first answer is lost."""
    card = "lost-answer" if number % 20 == 19 else "visa"
    return {
        "key": f"load-{number}",
        "item": "lamp",
        "quantity": 1 + number % 3,
        "price_cents": 4200,
        "card": card,
        "email": "ada@shop.example",
    }


async def buy(http: httpx2.AsyncClient, number: int, patience_s: float, seen: Seen) -> None:
    """Be one customer: send the order until it is done."""
    order, began = order_of(number), time.monotonic()
    while time.monotonic() - began < patience_s:
        answer = await _ask_once(http, order, seen)
        state = answer.get("state")
        if state == "completed":
            seen.completed.add(order["key"])
            seen.latencies_s.append(time.monotonic() - began)
            return
        if state in ("failed", "cancelled"):
            seen.failed[order["key"]] = answer
            return
        await asyncio.sleep(PAUSE_S)


async def _ask_once(http: httpx2.AsyncClient, order: dict[str, Any], seen: Seen) -> dict[str, Any]:
    try:
        answer = await http.post("/orders", params={"wait": WAIT_S}, json=order)
    except httpx2.HTTPError as error:
        seen.answers[type(error).__name__] += 1
        return {}
    seen.answers[str(answer.status_code)] += 1
    found: dict[str, Any] = answer.json() if answer.status_code < 300 else {}
    return found


async def kill_in_turn(pool: Pool, kinds: list[str], every_s: float, seen: Seen) -> None:
    """Kill one process after the other and start each again, until cancelled."""
    for name in _victims(pool, kinds):
        await asyncio.sleep(every_s)
        print(f"kill {name}", file=sys.stderr)
        pool.kill(name)
        seen.kills.append(name)
        try:
            await asyncio.sleep(DOWN_S)
        finally:
            pool.start(name)


def _victims(pool: Pool, kinds: list[str]) -> Iterator[str]:
    for turn in itertools.count() if kinds else ():
        for kind in kinds:
            names = pool.names(kind)
            yield names[turn % len(names)]


async def sell(pool: Pool, options: argparse.Namespace) -> Seen:
    """Send all orders at the rate, and wait for the last."""
    seen = Seen()
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=pool.url, timeout=WAIT_S + 5, limits=limits, trust_env=False
    ) as http:
        kinds = options.kill
        killer = asyncio.create_task(kill_in_turn(pool, kinds, options.every, seen))
        async with asyncio.TaskGroup() as customers:
            began = time.monotonic()
            for number in range(options.orders):
                await asyncio.sleep(began + number / options.rate - time.monotonic())
                customers.create_task(buy(http, number, options.patience, seen))
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
    return seen


def findings(pool: Pool, seen: Seen, options: argparse.Namespace) -> dict[str, Any]:
    """Compare what the customers saw with the ledger."""
    with open_ledger(pool.ledger) as ledger:
        charges = ledger.audit()
        requests, mails = ledger.count("requests"), ledger.count("mails")
    keys = [order_of(number)["key"] for number in range(options.orders)]
    uncharged = [key for key in keys if key in seen.completed and not charges.get(key)]
    unfinished = [key for key in keys if key not in seen.completed]
    times = sorted(seen.latencies_s)
    return {
        "orders": options.orders,
        "completed": len(seen.completed),
        "lost": sorted({*uncharged, *unfinished} - seen.failed.keys()),
        "failed": seen.failed,
        "charged_twice": sorted(key for key, count in charges.items() if count > 1),
        "charges": sum(charges.values()),
        "requests_to_the_bank": requests,
        "mails": mails,
        "kills": dict(Counter(seen.kills)),
        "answers": dict(seen.answers),
        "seconds": {name: _quantile(times, share) for name, share in QUANTILES.items()},
    }


QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def _quantile(times: list[float], share: float) -> float:
    return round(times[min(int(share * len(times)), len(times) - 1)], 3) if times else 0.0


def main() -> int:
    """Run the load and print what was found as JSON."""
    parser = argparse.ArgumentParser(description="Orders under load, while processes are killed.")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="orders a second")
    parser.add_argument(
        "--kill", type=_kinds, default=[], metavar="A,B", help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument("--every", type=float, default=5.0, help="seconds between kills")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds a customer tries")
    options = parser.parse_args()
    # As Ctrl-C does it: then the processes are ended as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Pool() as pool:
        seen = asyncio.run(sell(pool, options))
        found = findings(pool, seen, options)
    print(json.dumps(found, indent=1))
    return 1 if found["lost"] or found["charged_twice"] else 0


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(KINDS)}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
