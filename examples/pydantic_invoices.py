"""Pydantic models as results: they arrive as models, whole or by field.

    astrum-coordinator run examples/pydantic_invoices.py

Shows a result pushed to a parameter of a named task (``T``), a field of a model as a parameter
(``F``), and tasks that are static and class methods.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import ClassVar

from pydantic import BaseModel

from astrum import F, Ref, T, task


class Line(BaseModel):
    article: str
    quantity: int
    price: Decimal


class Invoice(BaseModel):
    number: str
    customer: str
    due: date
    lines: list[Line]

    @property
    def total(self) -> Decimal:
        return sum((line.quantity * line.price for line in self.lines), Decimal(0))


class Batch(BaseModel):
    today: date
    invoices: list[Invoice]


@task("load_batch")
async def load_batch() -> Batch:
    today = date(2025, 7, 1)
    paper = Line(article="paper", quantity=40, price=Decimal("4.25"))
    ink = Line(article="ink", quantity=3, price=Decimal("19.90"))
    a_while_ago, soon = today - timedelta(days=30), today + timedelta(days=14)
    return Batch(
        today=today,
        invoices=[
            Invoice(number="INV-1", customer="Ada", due=a_while_ago, lines=[paper, ink]),
            Invoice(number="INV-2", customer="Grace", due=soon, lines=[paper]),
        ],
    )


class Ledger:
    currency: ClassVar[str] = "EUR"

    @staticmethod
    @task("add_totals")
    def add_totals(invoices: Ref[list[Invoice], F("load_batch", "invoices")]) -> Decimal:
        return sum((invoice.total for invoice in invoices), Decimal(0))

    @classmethod
    @task("print_balance")
    def print_balance(cls, total: Ref[Decimal, F("add_totals")]) -> str:
        balance = f"outstanding: {total} {cls.currency}"
        print(balance)
        return balance


@task("find_overdue")
async def find_overdue(
    batch: Ref[Batch, F("load_batch")],
) -> Ref[list[Invoice], T("remind", target="invoices")]:
    return [invoice for invoice in batch.invoices if invoice.due < batch.today]


@task("remind", depends_on=[find_overdue])
async def remind(invoices: list[Invoice]) -> list[str]:
    letters = [f"Dear {each.customer}, {each.number} was due on {each.due}." for each in invoices]
    print("\n".join(letters))
    return letters
