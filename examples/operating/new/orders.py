"""Prices orders and mails them: another price, and a language for the mails."""

import asyncio

from astrum import F, Ref, task

ORDERS = 100


def declare(number: int) -> None:
    """Declare the tasks of one order."""
    price_id = f"price_{number}"

    @task(price_id, namespace="orders")
    async def price() -> int:
        await asyncio.sleep(1)
        return number * 102

    @task(f"mail_{number}", namespace="orders")
    async def mail(amount: Ref[int, F(price_id)], language: str = "en") -> str:
        await asyncio.sleep(1)
        return f"{language}: order {number}: {amount}"


for _number in range(ORDERS):
    declare(_number)
