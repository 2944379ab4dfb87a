"""Flows that go on, branch, stop and clean up; run in process and distributed."""

from __future__ import annotations

import enum

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


class Colour(enum.Enum):
    """Of a light."""

    RED = "red"
    GREEN = "green"


with use_namespace("goes_on"):

    @task("sales")
    def sales() -> int:
        return 128

    @task("weather", on_failure="ignore", retry=1)
    def weather() -> str:
        raise ConnectionError("no answer")

    @task("forecast")
    def forecast(text: Ref[str, F("weather")]) -> str:
        return text

    @task("clothes")
    def clothes(text: Ref[str, F("forecast")]) -> str:
        return text

    @task("page", after=["clothes"])
    def page(
        sold: Ref[int, F("sales")],
        outlook: Ref[str, F("forecast", default="unknown")],
        why: Ref[str | TaskFailure, F("forecast", failures=True)],
        all_of_them: Ref[list[str | TaskFailure], F(["weather", "clothes"], failures=True)],
    ) -> tuple[int, str, str | TaskFailure, list[str | TaskFailure]]:
        return sold, outlook, why, all_of_them


with use_namespace("keeps_going"):

    @task("numbers")
    def numbers() -> list[int]:
        return [1, 2, 3, 4]

    @task("halve", on_failure="continue")
    def halve(number: Ref[int, Each("numbers")]) -> int:
        if number == 2:
            raise ValueError("two is not wanted")
        if number == 3:
            raise Skip("three is odd")
        return number * 10

    @task("next")
    def following(half: Ref[int, Each("halve")]) -> int:
        return half + 1

    @task("whole")
    def whole(halves: Ref[list[int], F("halve")]) -> int:
        return sum(halves)

    @task("rest")
    def rest(halves: Ref[list[int], F("next", default=DROP)]) -> list[int]:
        return halves

    @task("told")
    def told(halves: Ref[list[int | TaskFailure], F("next", failures=True)]) -> list[str]:
        return [f"{h.task} {h.status}" if isinstance(h, TaskFailure) else str(h) for h in halves]


with use_namespace("too_many_failed"):

    @task("feeds")
    def feeds() -> list[str]:
        return ["a", "b", "c", "d"]

    @task("fetch", at_once=1, max_failed=0.25, on_failure="continue")
    def fetch(feed: Ref[str, Each("feeds")]) -> str:
        if feed in "bc":
            raise ConnectionError(feed)
        return feed

    @task("found")
    def found(feeds: Ref[list[str], F("fetch", default=DROP)]) -> list[str]:
        return feeds


with use_namespace("few_failed"):

    @task("feeds")
    def few_feeds() -> list[str]:
        return ["a", "b", "c", "d"]

    @task("fetch", at_once=2, max_failed=1)
    def fetch_few(feed: Ref[str, Each("feeds")]) -> str:
        if feed == "b":
            raise ConnectionError(feed)
        return feed

    @task("found")
    def found_few(feeds: Ref[list[str], F("fetch", default="none")]) -> list[str]:
        return feeds


with use_namespace("cleans_up"):

    @task("make")
    def make() -> str:
        return "bucket"

    @task("fill", retry=1)
    def fill(name: Ref[str, F("make")]) -> int:
        raise OSError("the disk is full")

    @task("count")
    def count(rows: Ref[int, F("fill")]) -> int:
        return rows

    @task("drop", after=["count"], always=True)
    def drop(name: Ref[str, F("make")]) -> str:
        return f"dropped {name}"

    @task("report_rows", always=True)
    def report_rows(rows: Ref[int, F("fill")]) -> int:
        return rows

    @task("last", always=True)
    def last(
        dropped: Ref[str, F("drop")], rows: Ref[int | TaskFailure, F("fill", failures=True)]
    ) -> tuple[str, int | TaskFailure]:
        return dropped, rows


with use_namespace("clean_up_fails"):

    @task("work")
    def work() -> int:
        return 1

    @task("tidy", after=["work"], always=True)
    def tidy() -> None:
        raise OSError("cannot tidy")


with use_namespace("lights"):

    @task("light")
    def light() -> Colour:
        return Colour.RED

    @task("stop", when=Case("light", equals=Colour.RED))
    def stop() -> str:
        return "stopped"

    @task("drive", when=Case("light", equals=Colour.GREEN))
    def drive() -> str:
        return "driven"

    @task("arrive")
    def arrive(driven: Ref[str, F("drive")]) -> str:
        return driven

    @task("passengers", when=Case("light", equals=Colour.GREEN))
    def passengers() -> list[str]:
        return ["Ann"]

    @task("greet")
    def greet(name: Ref[str, Each("passengers")]) -> str:
        return name

    @task("greeted")
    def greeted(names: Ref[list[str], F("greet", default="a stranger")]) -> list[str]:
        return names


with use_namespace("each_by_a_condition"):

    @task("orders")
    def orders() -> list[dict[str, int]]:
        return [{"id": 7, "amount": 3}, {"id": 9, "amount": 0}]

    @task("is_due")
    def is_due(amount: Ref[int, Each("orders", "amount", key="id")]) -> bool:
        return amount > 0

    @task("pay", when=F("is_due"))
    def pay(amount: Ref[int, Each("orders", "amount")]) -> str:
        return current_attempt().name

    @task("paid")
    def paid(names: Ref[list[str | None], F("pay", default=None)]) -> list[str | None]:
        return names


with use_namespace("cells"):

    @task("cell", each="product")
    def cell(
        row: Ref[str, Each(Input("rows"), "name", key="name")],
        column: Ref[int, Each(Input("columns"))],
    ) -> str:
        return current_attempt().name

    @task("cells_of")
    def cells_of(
        row: Ref[str, Each(Input("rows"), "name")], cells: Ref[list[str], F("cell")]
    ) -> tuple[str, list[str]]:
        return row, cells

    @task("table")
    def table(
        rows: Ref[list[tuple[str, list[str]]], F("cells_of")],
    ) -> list[tuple[str, list[str]]]:
        return rows
