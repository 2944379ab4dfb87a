"""The lines of the table, in its order."""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.cases.chain import Chain
from benchmarks.cases.children import Children, FirstChild, ResumeChildren
from benchmarks.cases.cpu_bound import CpuBound
from benchmarks.cases.fan_out import FanOut, Layered, SyncFanOut
from benchmarks.cases.idle import Idle
from benchmarks.cases.in_process import InProcess
from benchmarks.cases.many_readers import ManyReaders
from benchmarks.cases.million import Million
from benchmarks.cases.resume import Resume
from benchmarks.cases.round_trip import RoundTrip
from benchmarks.cases.run_list import RunList
from benchmarks.cases.small_runs import SmallRuns
from benchmarks.cases.start_up import StartUp
from benchmarks.cases.why import Why

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        FanOut(),
        Chain(),
        Children(),
        FirstChild(),
        ResumeChildren(),
        SmallRuns(),
        SyncFanOut(),
        Layered(),
        RoundTrip(),
        ManyReaders(),
        CpuBound(),
        InProcess(),
        Million(),
        Resume(),
        Idle(),
        RunList(),
        StartUp(),
        Why(),
    )
}
