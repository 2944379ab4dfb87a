"""The example of a web service: real server, workers, coordinators and web process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

SERVICE = Path(__file__).parents[2] / "examples" / "order_service"
HOLD = """
import sys
from pool import Pool
with Pool() as pool:
    print(pool.url, pool.ledger, flush=True)
    sys.stdin.read()
"""


class Shop:
    """The service as its customers and its bank see it."""

    def __init__(self, url: str, ledger: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=30, trust_env=False)
        self.ledger = ledger

    def order(self, key: str, *, wait: float = 20, **changes: object) -> httpx2.Response:
        fields = {"item": "lamp", "price_cents": 4200, "card": "visa", "email": "a@shop.example"}
        order = {"key": key, **fields, **changes}
        return self.http.post("/orders", params={"wait": wait}, json=order)

    def events(self, key: str, after: str = "") -> list[dict[str, Any]]:
        """Return all events of an order up to its end, each with its id."""
        answer = self.http.get(f"/orders/{key}/events", headers={"Last-Event-ID": after})
        assert answer.headers["content-type"].startswith("text/event-stream")
        *blocks, end, rest = answer.text.split("\n\n")
        assert (end, rest) == ("event: end\ndata: {}", "")
        return [_event(block) for block in blocks]

    def charges(self, key: str) -> int:
        script = f"from ledger import open_ledger\nwith open_ledger({self.ledger!r}) as ledger: "
        script += f"print(ledger.audit().get({key!r}, 0))"
        command = [sys.executable, "-c", script]
        return int(subprocess.run(command, cwd=SERVICE, check=True, capture_output=True).stdout)


def _event(block: str) -> dict[str, Any]:
    first, second = block.split("\n")
    fields: dict[str, Any] = json.loads(second.removeprefix("data: "))
    return {"id": first.removeprefix("id: "), **fields}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=SERVICE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        url, ledger = holder.stdout.readline().split()
        shop = Shop(url, ledger)
        yield shop
        shop.http.close()


def test_an_order_is_awaited_and_sent_twice_is_charged_once(shop: Shop) -> None:
    first, second = shop.order("twice"), shop.order("twice")
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["invoice"]["cents"] == 4200
    assert shop.charges("twice") == 1
    other = shop.order("twice", quantity=2)
    assert other.status_code == 409
    assert "order" in other.json()["detail"]


def test_a_charge_whose_answer_was_lost_is_not_made_again(shop: Shop) -> None:
    assert shop.order("lost", card="lost-answer").json()["state"] == "completed"
    assert shop.charges("lost") == 1
    assert "task_retrying" in [event["kind"] for event in shop.events("lost")]


def test_a_failed_order_is_retried_without_another_charge(shop: Shop) -> None:
    failed = shop.order("mail", email="a@down.example")
    assert (failed.status_code, failed.json()["state"]) == (202, "failed")
    assert "the mail server does not answer" in str(failed.json()["errors"])
    known = shop.events("mail")
    assert known[-1]["kind"] == "run_failed"
    assert shop.http.post("/orders/mail/retry").status_code == 202
    later = shop.events("mail", after=known[-2]["id"])
    assert later[-1]["kind"] == "run_completed"
    assert known[0]["id"] not in [event["id"] for event in later]
    assert shop.http.get("/orders/mail").json()["invoice"]["order"] == "mail"
    assert shop.charges("mail") == 1
    assert shop.http.post("/orders/mail/retry").status_code == 409


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"item": "sold-out"}, "choose something else"), ({"card": "declined"}, "has declined")],
)
def test_an_order_that_cannot_be_is_not_charged(
    shop: Shop, changes: dict[str, Any], text: str
) -> None:
    key = f"no-{'-'.join(changes)}"
    answer = shop.order(key, **changes).json()
    assert answer["state"] == "failed"
    assert text in str(answer["errors"])
    assert shop.charges(key) == 0


def test_what_is_wrong_with_a_request_is_said(shop: Shop) -> None:
    assert shop.order("bad", quantity=0).status_code == 422
    assert shop.http.get("/orders/unknown").status_code == 404
    assert shop.http.get("/orders/unknown/events").status_code == 404
    assert shop.http.post("/orders/unknown/cancel").status_code == 404
    shop.order("done")
    assert shop.http.post("/orders/done/cancel").json() == {"key": "done", "cancelled": False}
    assert "EventSource" in shop.http.get("/").text
