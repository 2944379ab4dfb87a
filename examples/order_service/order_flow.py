"""The flow of one order: reserve the goods, charge the card, send the invoice.

    astrum-worker order_flow.py                  # on each host that shall do the work
    astrum-coordinator publish order_flow.py     # once per version: clients may start "orders" now

What goes wrong is in the order, so that it can be tried: item ``sold-out``, card ``declined``, card
``lost-answer`` (the bank charges, but its first answer is lost: the task is tried again), and an
email at ``down.example`` (the mail server refuses the first mail: the order fails, and a retry
sends the invoice without another charge).
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger import Ledger, open_ledger
from order_models import Charge, Invoice, Order

from astrum import F, Input, Ref, Resource, RetryPolicy, SchedulerRegistry, current_attempt

orders = SchedulerRegistry("orders")


class SoldOutError(Exception):
    """There is none left."""


class CardDeclinedError(Exception):
    """The bank does not accept the card."""


@orders.resource("ledger")
def shared_ledger() -> Iterator[Ledger]:
    """Open the ledger once per worker process; all its tasks share the connection."""
    with open_ledger() as ledger:
        yield ledger


@orders.task("reserve_stock")
def reserve_stock(
    order: Ref[Order, Input("order")], ledger: Ref[Ledger, Resource("ledger")]
) -> str:
    """Put the goods aside."""
    if order.item == "sold-out":
        raise SoldOutError(f"no {order.item!r} left: choose something else")
    ledger.reserve(order.key, order.item, order.quantity)
    return f"{order.quantity} x {order.item}"


PAYMENT = RetryPolicy(max_retries=3, delay=0.2, give_up_on=(CardDeclinedError,))


@orders.task("charge_card", retry=PAYMENT, depends_on=[reserve_stock])
def charge_card(
    order: Ref[Order, Input("order")], ledger: Ref[Ledger, Resource("ledger")]
) -> Charge:
    """Charge the card, once for all attempts: they have the same idempotency key."""
    if order.card == "declined":
        raise CardDeclinedError("the bank has declined the card: use another one")
    cents = order.quantity * order.price_cents
    number = ledger.charge(current_attempt().idempotency_key, order.key, cents)
    if order.card == "lost-answer" and ledger.refuses_first(f"answer for {order.key}"):
        raise ConnectionError("the connection to the bank broke before its answer came")
    return Charge(number=number, cents=cents)


@orders.task("send_invoice")
def send_invoice(
    order: Ref[Order, Input("order")],
    charge: Ref[Charge, F("charge_card")],
    ledger: Ref[Ledger, Resource("ledger")],
) -> Invoice:
    """Mail the invoice."""
    is_down = order.email.endswith("@down.example")
    if is_down and ledger.refuses_first(f"mail for {order.key}"):
        raise ConnectionError("the mail server does not answer: retry the order later")
    ledger.note_mail(order.key)
    return Invoice(order=order.key, charge=charge.number, cents=charge.cents, sent_to=order.email)
