"""The parts of a report that are computed: rows, places, families, the path, groups of failures."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from astrum.machine import Failure
from astrum.view.failure_signature import signature
from astrum.view.report.critical_path import CriticalPath, Gain, PathAttempt, Segment, shortened
from astrum.view.report.failure_groups import FailureGroups
from astrum.view.report.families import FamilyMember, families_of
from astrum.view.report.lanes import lanes_of, pack
from astrum.view.report.layout import layout
from astrum.view.report.needs import Needs, Span

INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=40)

# --- rows ----------------------------------------------------------------------------------


@given(INTERVALS)
def test_no_two_bars_of_a_row_overlap_and_no_row_is_too_many(
    intervals: list[tuple[int, int]],
) -> None:
    begins = [begin for begin, _ in intervals]
    ends = [begin + length for begin, length in intervals]
    rows = pack(begins, ends)
    for one in range(len(rows)):
        for other in range(one):
            if rows[one] == rows[other]:
                assert ends[one] <= begins[other] or ends[other] <= begins[one]
    most = max(
        (sum(b <= at < max(e, b + 1) for b, e in zip(begins, ends, strict=True)) for at in begins),
        default=0,
    )
    assert max(rows, default=-1) + 1 <= most


def test_each_worker_has_rows_of_its_own() -> None:
    lanes, heights = lanes_of([0, 1, 0, -1], [0, 0, 5, 0], [10, 10, 8, 9], 2)
    assert (lanes, heights) == ([0, 0, 1, -1], [2, 1])


# --- places --------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    needs: list[list[int]] = []
    levels: list[int] = []
    for node in range(draw(st.integers(0, 25))):
        own = sorted(draw(st.sets(st.integers(0, node - 1), max_size=4))) if node else []
        needs.append(own)
        levels.append(max((levels[need] + 1 for need in own), default=0))
    return levels, needs


@given(graphs())
def test_every_node_has_a_place_of_its_own(graph: tuple[list[int], list[list[int]]]) -> None:
    levels, needs = graph
    places = layout(levels, needs)
    assert places.x == levels
    assert all(map(math.isfinite, places.y))
    assert len(set(zip(*places, strict=True))) == len(levels)
    sums = Counter[int]()
    for x, y in zip(*places, strict=True):
        sums[x] += y  # type: ignore[assignment]
    assert all(abs(total) < 1e-6 for total in sums.values()), "a level is not centred"
    assert layout(levels, needs) == places


def test_straight_chains_do_not_cross() -> None:
    """Three chains whose nodes are named in another order on each level."""
    needs: list[list[int]] = [[], [], [], [2], [0], [1], [4], [5], [3]]
    places = layout([0, 0, 0, 1, 1, 1, 2, 2, 2], needs)
    assert [places.y[node] for node in (4, 5, 3)] == [places.y[node] for node in (0, 1, 2)]
    assert [places.y[node] for node in (6, 7, 8)] == [places.y[node] for node in (4, 5, 3)]


# --- families ------------------------------------------------------------------------------


def member(name: str, level: int = 0, template: str = "", queue: str = "q") -> FamilyMember:
    return FamilyMember(name, template, queue, level)


def test_tasks_that_differ_in_digits_alone_are_one_family() -> None:
    tasks = [
        member("load"),
        member("fetch_1", 1),
        member("fetch_22", 1),
        member("fetch_3", 1, queue="other"),
        member("fetch_4"),
        member("store_1", 2),
        member("store_2", 2),
        member("parse[a1]", 1, "parse"),
        member("parse[b]", 1, "parse"),
        member("merge", 2),
    ]
    needs: list[Needs] = [[], [0], [0], [0], [], [1], [2], [0], [0], [Span(7, 2)]]
    found = families_of(tasks, needs)
    assert found.of_task == [0, 1, 1, 2, 3, 4, 4, 5, 5, 6]
    assert found.names == ["load", "fetch_*", "fetch_3", "fetch_4", "store_*", "parse", "merge"]
    assert found.counts == [1, 2, 1, 1, 2, 2, 1]
    assert found.firsts == [0, 1, 3, 4, 5, 7, 9]
    assert found.needs == [[], [0], [0], [], [1], [0], [5]]


@given(graphs(), st.integers(0, 99))
def test_families_part_the_tasks(graph: tuple[list[int], list[list[int]]], seed: int) -> None:
    levels, needs = graph
    random = Random(seed)
    tasks = [
        member(f"{random.choice('ab')}{n}", level, random.choice(["", "", "mapped"]))
        for n, level in enumerate(levels)
    ]
    # The children of one mapped task have one level.
    tasks = [task._replace(template=task.template and f"m{task.level}") for task in tasks]
    found = families_of(tasks, [list(one) for one in needs])
    assert Counter(found.of_task) == dict(enumerate(found.counts))
    for task, family in enumerate(found.of_task):
        assert found.levels[family] == levels[task]
        assert {found.of_task[need] for need in needs[task]} <= set(found.needs[family])
        assert task >= found.firsts[family]
    for family, sources in enumerate(found.needs):
        assert all(found.levels[source] < found.levels[family] for source in sources)


# --- the critical path ---------------------------------------------------------------------


def attempt(task: int, *times: int, number: int = 1, is_lost: bool = False) -> PathAttempt:
    queued, claimed, started, ended = times
    return PathAttempt(task, number, queued, claimed, started, ended, is_lost)


def test_the_path_leads_through_the_needs_that_ended_last() -> None:
    attempts = [
        attempt(0, 2, 3, 4, 10),
        attempt(1, 11, 11, 12, 20),
        attempt(2, 11, 12, 14, 20, number=1),
        attempt(2, 30, 31, 31, 60, number=2, is_lost=True),
        attempt(2, 60, 61, 62, 90, number=3),
        attempt(3, 92, 92, 92, 98),
    ]
    needs: list[Needs] = [[], [0], [0], [Span(1, 2)]]
    path = CriticalPath(attempts, needs, [0, 1, 1, 2], 100)
    assert path.segments() == [
        Segment("idle", -1, 0, 0, 2),
        Segment("queued", 0, 1, 2, 3),
        Segment("transfer", 0, 1, 3, 4),
        Segment("run", 0, 1, 4, 10),
        Segment("idle", 2, 0, 10, 11),
        Segment("queued", 2, 1, 11, 12),
        Segment("transfer", 2, 1, 12, 14),
        Segment("run", 2, 1, 14, 20),
        Segment("back-off", 2, 1, 20, 30),
        Segment("queued", 2, 2, 30, 31),
        Segment("lost", 2, 2, 31, 60),
        Segment("queued", 2, 3, 60, 61),
        Segment("transfer", 2, 3, 61, 62),
        Segment("run", 2, 3, 62, 90),
        Segment("idle", 3, 0, 90, 92),
        Segment("run", 3, 1, 92, 98),
        Segment("idle", -1, 0, 98, 100),
    ]
    gains = path.gains(path.segments())
    assert gains == [Gain(2, 17), Gain(0, 3), Gain(3, 3)], "task 2 ran 6 and 28 ms"


def test_shortening_saves_no_more_than_the_next_longest_chain_allows() -> None:
    attempts = [attempt(0, 0, 0, 0, 40), attempt(1, 0, 0, 0, 50), attempt(2, 50, 50, 50, 60)]
    path = CriticalPath(attempts, [[], [], [0, 1]], [0, 0, 1], 60)
    assert path.gains(path.segments()) == [Gain(1, 10), Gain(2, 5)]


@given(graphs(), st.integers(0, 10_000))
def test_the_path_has_no_gap_and_ends_with_the_run(
    graph: tuple[list[int], list[list[int]]], seed: int
) -> None:
    """Also if times contradict the order of the tasks, as those of wrong clocks may."""
    levels, needs = graph
    random = Random(seed)
    attempts = []
    for task in range(len(levels)):
        at = random.randint(0, 30)
        for number in range(random.choice([0, 1, 1, 1, 2])):
            times = [at := at + random.randint(0, 9) for _ in range(4)]
            is_lost = random.random() < 0.2
            attempts.append(attempt(task, *times, number=number + 1, is_lost=is_lost))
    attempts.sort(key=lambda one: one.ended_at)
    duration = max((one.ended_at for one in attempts), default=0) + random.choice([-5, 0, 3])
    path = CriticalPath(attempts, [list(one) for one in needs], levels, max(duration, 0))
    segments = path.segments()
    assert all(one.end == next_one.begin for one, next_one in pairwise(segments))
    assert all(one.begin < one.end for one in segments)
    if segments:
        assert (segments[0].begin, segments[-1].end) == (0, duration)
    else:
        assert duration <= 0
    assert all(0 < gain.saves_ms <= duration for gain in path.gains(segments))


def test_a_path_of_many_short_segments_is_shortened_and_has_no_gap() -> None:
    random = Random(3)
    ends = sorted(random.sample(range(1, 100_000), 20_000))
    path = [Segment("run", n, 1, *pair) for n, pair in enumerate(pairwise([0, *ends]))]
    long = Segment("run", 20_000, 1, ends[-1], ends[-1] + 50_000)
    short = shortened([*path, long], most=500)
    assert 100 < len(short) <= 1_000
    assert short[-1] == long
    assert all(one.end == next_one.begin for one, next_one in pairwise(short))
    assert (short[0].begin, {one.kind for one in short}) == (0, {"run", "several"})


# --- groups of failures --------------------------------------------------------------------

TRACE = 'Traceback:\n  File "/app/flow.py", line {}, in parse\n    raise\nValueError: {}\n'


def failure(message: str, line: int = 7) -> Failure:
    types = ("builtins.ValueError", "builtins.Exception")
    return Failure(types, message, TRACE.format(line, message))


def test_numbers_ids_and_quoted_text_do_not_part_failures() -> None:
    groups = FailureGroups()
    messages = ("no row 17 in 'a'", "no row 4 in 'b'", "no row 12.5 in 'it'")
    assert [groups.add(failure(text), n, 10 - n) for n, text in enumerate(messages)] == [0, 0, 0]
    assert groups.add(failure("no row 17 in 'a'", line=8), 9, 5) == 1, "another line raised it"
    assert groups.add(failure("at 0x7f3a"), 3, 1) == groups.add(failure("at 0x11"), 4, 2) == 2
    first = groups.rows()[0]
    assert (first["type"], first["message"]) == ("ValueError", "no row 17 in 'a'")
    assert (first["count"], first["tasks"], first["first_at"], first["last_at"]) == (
        *(3, [0, 1, 2]),
        *(8, 10),
    )


def test_frames_of_astrum_do_not_count_as_the_line_that_raised() -> None:
    ours = '  File "/x/astrum/execution/invoke.py", line 3, in _call\n'
    one = failure("no")
    assert signature(one) == signature(one._replace(traceback=one.traceback + ours))


def test_there_are_never_too_many_groups_and_it_says_how_many_more() -> None:
    groups = FailureGroups(max_groups=2)
    names = ("a", "b", "c", "d", "c")
    assert [groups.add(failure(name), 0, 0) for name in names] == [0, 1, -1, -1, -1]
    assert (len(groups.rows()), groups.left_out) == (2, 2)


def test_a_group_names_its_first_tasks_alone() -> None:
    groups = FailureGroups()
    for task in range(30):
        groups.add(failure("no"), task, task)
    [row] = groups.rows()
    assert (row["count"], row["tasks"]) == (30, list(range(20)))
