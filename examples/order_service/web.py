"""The web service: takes orders, and tells what becomes of them. It has no code of the tasks.

    ASTRUM_REDIS_URL=redis://localhost uvicorn web:app

The id of a run is made from the customer's key of the order. So a customer who sends an order
twice, because the first answer was lost, gets the same run, and is charged once.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from order_models import Invoice, Key, Order

from astrum import Client, RunHandle
from astrum.errors import (
    FlowNotFoundError,
    RetryRefusedError,
    RunConflictError,
    RunError,
    RunNotFoundError,
    StoreError,
)

FLOW = "orders"
PAGE = Path(__file__).with_name("page.html")
MAX_WAIT_S = 60.0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one client for the life of the process: all requests share its connections."""
    url = os.environ.get("ASTRUM_REDIS_URL", "redis://localhost:6379/0")
    async with Client(url, start_patience_s=30.0) as client:
        app.state.client = client
        yield


app = FastAPI(title="Orders", lifespan=lifespan)


def client_of(request: Request) -> Client:
    """Return the client of this process."""
    client: Client = request.app.state.client
    return client


def handle_of(key: Key, client: Annotated[Client, Depends(client_of)]) -> RunHandle:
    """Return the handle of an order, whichever process has started it."""
    return client.handle(run_id_of(key))


OrderHandle = Annotated[RunHandle, Depends(handle_of)]


def run_id_of(key: str) -> str:
    """Return the id of the run of an order."""
    return f"order-{key}"


@app.get("/", response_class=FileResponse)
async def page() -> str:
    """Show the page for people."""
    return str(PAGE)


@app.post("/orders")
async def take_order(
    order: Order,
    response: Response,
    client: Annotated[Client, Depends(client_of)],
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0.0,
) -> dict[str, Any]:
    """Take an order; with ``wait`` answer when it is done, or after so many seconds."""
    inputs = {"order": order.model_dump(mode="json")}
    handle = await client.start(FLOW, inputs=inputs, run_id=run_id_of(order.key))
    if wait:
        try:
            invoice = await handle.result("send_invoice", timeout=wait, type=Invoice)
            return {"key": order.key, "state": "completed", "invoice": invoice}
        except (TimeoutError, RunError):
            pass  # What is known of it says why.
    response.status_code = 202
    return await _known(order.key, handle)


@app.get("/orders/{key}")
async def show_order(key: Key, handle: OrderHandle) -> dict[str, Any]:
    """Tell the state of an order."""
    return await _known(key, handle)


@app.get("/orders/{key}/events", response_class=StreamingResponse)
async def order_events(
    handle: OrderHandle, last_event_id: Annotated[str, Header()] = ""
) -> StreamingResponse:
    """Push what happens to an order; a browser that comes back gets what it has missed."""
    await handle.status()  # An unknown order is a 404, not a stream that breaks.
    return StreamingResponse(
        _event_lines(handle, last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


@app.post("/orders/{key}/cancel")
async def cancel_order(key: Key, handle: OrderHandle) -> dict[str, Any]:
    """Ask for the end of an order that is under way."""
    asked = await handle.cancel("the customer has cancelled the order", by="web")
    return {"key": key, "cancelled": asked}


@app.post("/orders/{key}/retry", status_code=202)
async def retry_order(key: Key, handle: OrderHandle) -> dict[str, Any]:
    """Do again what has failed; what has succeeded, such as the charge, stays as it is."""
    await handle.retry(by="web")
    return await _known(key, handle)


async def _known(key: str, handle: RunHandle) -> dict[str, Any]:
    state = (await handle.status()).state
    known: dict[str, Any] = {"key": key, "state": state}
    if state == "completed":
        known["invoice"] = await handle.result("send_invoice", type=Invoice)
    elif state != "open":
        known["errors"] = (await handle.report(results=False)).error_summary
    return known


async def _event_lines(handle: RunHandle, after: str) -> AsyncIterator[str]:
    async for event in handle.events(after=after):
        data = {"at": event.at, "kind": event.kind, "task": event.task, "detail": event.detail}
        yield f"id: {event.cursor}\ndata: {json.dumps(data)}\n\n"
    yield "event: end\ndata: {}\n\n"


STATUS_CODES = (
    (RunNotFoundError, 404),
    (RunConflictError, 409),
    (RetryRefusedError, 409),
    (FlowNotFoundError, 503),
    (StoreError, 503),
)


def _answer_with(code: int) -> Any:
    async def answer(_: Request, error: Exception) -> JSONResponse:
        headers = {"Retry-After": "1"} if code == 503 else {}
        return JSONResponse({"detail": str(error)}, code, headers)

    return answer


for _kind, _code in STATUS_CODES:
    app.add_exception_handler(_kind, _answer_with(_code))
