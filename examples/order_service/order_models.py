"""What an order, a charge and an invoice are; shared by the flow and the web service."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, StringConstraints
from pydantic import Field as PydanticField

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Order(BaseModel):
    """An order as a customer sends it. ``key`` is the customer's own number for it."""

    key: Key
    item: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    quantity: int = PydanticField(default=1, ge=1, le=1_000)
    price_cents: int = PydanticField(ge=1, le=100_000_000)
    card: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]


class Charge(BaseModel):
    """A payment that the bank has accepted."""

    number: int
    cents: int


class Invoice(BaseModel):
    """The end of an order."""

    order: str
    charge: int
    cents: int
    sent_to: str
