"""Flows whose tasks have children, or read what may not come; run in process and distributed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from astrum import (
    DROP,
    Case,
    Each,
    F,
    Input,
    Ref,
    Skip,
    TaskFailure,
    current_attempt,
    task,
    use_namespace,
)


@dataclass
class Doc:
    """A document of pages."""

    name: str
    pages: list[int]


BIG = 200_000

with use_namespace("documents"):

    @task("docs")
    def docs() -> list[Doc]:
        return [Doc("a", [1, 2, 3]), Doc("b", []), Doc("c", [4])]

    @task("pages_of")
    def pages_of(pages: Ref[list[int], Each(F("docs"), "pages")]) -> list[int]:
        return pages

    @task("ocr")
    async def ocr(page: Ref[int, Each(Each("pages_of"))]) -> str:
        attempt = current_attempt()
        own = attempt.idempotency_key.removeprefix(attempt.run_id)
        return f"{page} {attempt.index} {attempt.key!r} {own}"

    @task("doc_text")
    def doc_text(
        doc: Ref[Doc, Each("docs")], pages: Ref[list[str], F("ocr")]
    ) -> tuple[str, list[str]]:
        return doc.name, pages

    @task("book")
    def book(
        texts: Ref[list[tuple[str, list[str]]], F("doc_text")],
        pages: Ref[list[list[str]], F("ocr")],
    ) -> int:
        assert [text for _, text in texts] == pages
        return len(texts)


with use_namespace("keyed"):

    @task("orders")
    def orders() -> list[dict[str, Any]]:
        return [{"id": "A-17", "n": 1}, {"id": "B-1", "n": 2}, {"id": "C 3", "n": 3}]

    @task("pay")
    def pay(number: Ref[int, Each("orders", "n", key="id")]) -> str:
        attempt = current_attempt()
        if number == 2:
            raise Skip("paid already")
        return attempt.idempotency_key.removeprefix(attempt.run_id) + attempt.key

    @task("receipt")
    def receipt(paid: Ref[str, Each("pay")]) -> str:
        return paid.upper()

    @task("paid")
    def paid(all_paid: Ref[list[str], F("pay", default=DROP)]) -> list[str]:
        return all_paid

    @task("filled")
    def filled(all_paid: Ref[list[str], F("pay", default="none")]) -> list[str]:
        return all_paid

    @task("failures")
    def failures(
        all_paid: Ref[list[str | TaskFailure], F("pay", failures=True)],
    ) -> list[str | TaskFailure]:
        return all_paid


with use_namespace("from_inputs"):

    @task("grid", each="product")
    def grid(
        model: Ref[str, Each(Input("models"))], seed: Ref[int, Each(Input("seeds"))]
    ) -> tuple[str, int]:
        return model, seed

    @task("pairs", each="zip")
    def pairs(
        model: Ref[str, Each(Input("models"))], seed: Ref[int, Each(Input("seeds"))]
    ) -> tuple[str, int]:
        return model, seed


with use_namespace("big_lists"):

    @task("load")
    def load() -> list[bytes]:
        return [bytes([number]) * 10 + os.urandom(BIG) for number in range(3)] + [b"small"]

    @task("measure")
    def measure(data: Ref[bytes, Each("load")]) -> bytes:
        return data

    @task("sizes")
    def sizes(
        data: Ref[list[bytes], F("measure")], whole: Ref[list[bytes], F("load")]
    ) -> list[int]:
        assert data == whole
        return [len(one) for one in data]

    @task("heads")
    def heads(data: Ref[list[bytes], F("measure")]) -> list[int]:
        return [one[0] for one in data]


with use_namespace("branches"):

    @task("route")
    def route() -> dict[str, Any]:
        return {"kind": "refund", "is_new": False}

    @task("refund", when=Case("route", "kind", equals="refund"))
    def refund() -> str:
        return "refunded"

    @task("greet", when=F("route", "is_new"))
    def greet() -> str:
        return "hello"

    @task("done")
    def done(
        refunded: Ref[str | None, F("refund", default=None)],
        greeted: Ref[str, F("greet", default="silent")],
    ) -> tuple[str | None, str]:
        return refunded, greeted

    @task("all_of_them")
    def all_of_them(parts: Ref[list[str], F(["refund", "greet"], default=DROP)]) -> list[str]:
        return parts


with use_namespace("no_list"):

    @task("names", retry=2)
    def names() -> list[str]:
        found: Any = {"a", "b"}
        return found  # type: ignore[no-any-return]

    @task("read")
    def read(name: Ref[str, Each("names")]) -> str:
        return name


with use_namespace("twice_the_same_key"):

    @task("rows")
    def rows() -> list[dict[str, str]]:
        return [{"id": "a"}, {"id": "b"}, {"id": "a"}]

    @task("read")
    def read_row(row: Ref[dict[str, str], Each("rows", key="id")]) -> str:
        return row["id"]
