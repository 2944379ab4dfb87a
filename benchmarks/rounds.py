"""Measures all cases in interleaved rounds: what disturbs the machine disturbs all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.case import Case, Samples, Setting
from benchmarks.systems import PEERS, SystemFailedError

Tell = Callable[[str], None]


def install(names: Sequence[str], tell: Tell) -> dict[str, str]:
    """Set peers up; return the reasons of those that cannot be measured."""
    reasons = {}
    for name in names:
        tell(f"setting up {name}")
        try:
            PEERS[name].install()
        except SystemFailedError as error:
            reasons[name] = f"cannot be installed: {error}"
            tell(f"  {name} {reasons[name]}")
    return reasons


def measure(cases: Sequence[Case], setting: Setting, rounds: int, tell: Tell) -> dict[str, Samples]:
    """Return the samples of each case by its name."""
    found = {case.name: Samples() for case in cases}
    for number in range(1, rounds + 1):
        for case in cases:
            for contestant in case.contestants(setting):
                _measure_one(case, setting, contestant, found[case.name], number, tell)
    return found


def _measure_one(
    case: Case, setting: Setting, contestant: str, samples: Samples, number: int, tell: Tell
) -> None:
    if contestant in samples.reasons:
        return
    try:
        numbers = case.measure(setting, contestant)
    except SystemFailedError as error:
        samples.reasons[contestant] = str(error)
        tell(f"  round {number}  {case.name}  {contestant} does not run: {error}")
        return
    samples.add(contestant, numbers)
    shown = numbers[case.metric]
    tell(f"  round {number}  {case.name}  {contestant}  {case.metric} {shown:,.4g}")
