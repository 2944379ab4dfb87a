"""What a submission says about versions and unserved tasks, and how it is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from astrum import SchedulerRegistry
from astrum.errors import RunError
from astrum.execution.invoke import Flow
from astrum.planning.offer import NamespaceVersion
from astrum.protocol.records import RunInfo
from astrum_coordinator import CoordinatorConfig
from astrum_coordinator.cli import main
from astrum_coordinator.cli.runs import code_text
from astrum_coordinator.submission import RunOptions, option_details, submission_details


def flow_of(*, fingerprints: bool = True) -> Flow:
    registry = SchedulerRegistry("n")
    registry.task("t")(flow_of)
    return registry.build_scheduler().flow(fingerprints=fingerprints)


def submitted(
    versions: str = "", limit_s: float | None = None, *, state: str = "open", flow: Flow
) -> RunInfo:
    return RunInfo(
        run_id="r",
        state=state,
        epoch=1,
        owner="",
        lease_s=0.0,
        created_at=1.0,
        ended_at=None,
        outstanding=0,
        late_ends=0,
        details=submission_details(
            flow, RunOptions({}, versions=versions, unserved_limit_s=limit_s)
        ),
    )


def test_a_run_keeps_which_code_it_needs_until_it_is_over() -> None:
    flow = flow_of()
    names = {"offer": flow.plan.offer, "code": flow.plan.code}
    assert submitted(flow=flow).needs == {**names, "versions": ""}
    assert submitted("exact", flow=flow).needs == {**names, "versions": "exact"}
    assert submitted(flow=flow, state="completed").needs == {}
    assert submitted(flow=flow_of(fingerprints=False)).needs == {}


def test_the_list_of_runs_says_which_code_an_open_run_needs() -> None:
    flow = flow_of()
    same, newer = (NamespaceVersion(flow.plan.offer, code) for code in (flow.plan.code, "newer"))
    needs, missing = f"code {flow.plan.code}", ", which no live worker has as a whole"
    run, exact = (submitted(policy, flow=flow) for policy in ("compatible", "exact"))
    for served in ({}, {"w": {"n": same}}):
        assert code_text(run, served) == needs  # nothing is missing
        assert code_text(exact, served) == f"needs exactly {needs}"
    assert code_text(run, {"w": {"n": newer}}) == needs
    assert code_text(exact, {"w": {"n": newer}}) == f"needs exactly {needs}{missing}"
    assert code_text(run, {"w": {"other": same}}) == f"needs {needs}{missing}"
    assert code_text(run, {"w": {"n": NamespaceVersion("other", "")}}) == f"needs {needs}{missing}"
    assert code_text(submitted("exact", flow=flow, state="failed"), {}) == ""


@pytest.mark.parametrize(
    ("limit_s", "leaders", "expected"),
    [
        (None, 300.0, 300.0),
        (None, None, None),
        (None, math.inf, None),
        (7.0, None, 7.0),
        (math.inf, 300.0, None),
    ],
)
def test_a_run_says_its_own_unserved_limit_else_its_leader_does(
    limit_s: float | None, leaders: float | None, expected: float | None
) -> None:
    assert submitted(limit_s=limit_s, flow=flow_of()).unserved_limit_s(leaders) == expected


def test_a_damaged_limit_counts_as_none_that_was_said() -> None:
    info = submitted(flow=flow_of())
    damaged = replace(info, details={**info.details, "unserved_limit_s": "soon"})
    assert damaged.unserved_limit_s(3.0) == 3.0


def test_what_cannot_be_kept_with_a_run_is_refused_with_what_to_write() -> None:
    with pytest.raises(RunError, match=r"versions must be one of .* did you mean 'exact'"):
        submitted("exactly", flow=flow_of())
    with pytest.raises(RunError, match=r"flow\(fingerprints=True\)"):
        submitted("exact", flow=flow_of(fingerprints=False))
    for limit_s in (0, -1.0, math.nan, "5m"):
        with pytest.raises(RunError, match=r"write math\.inf"):
            submitted(limit_s=limit_s, flow=flow_of())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="did you mean 'compatible'"):
        CoordinatorConfig(versions="compatble")
    for ttl_s in (0.0, -1.0, 0.0001, 1e12, math.inf, math.nan):
        with pytest.raises(RunError, match="result_ttl_s must be"):
            option_details(flow_of().plan, RunOptions({}, result_ttl_s=ttl_s))
        with pytest.raises(ValueError, match="result_ttl_s must be"):
            CoordinatorConfig(result_ttl_s=ttl_s)


@pytest.mark.parametrize("command", [("run", "flow.py"), ("submit", "flow.py"), ("serve",)])
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--versions", "exct", "did you mean 'exact'"),
        ("--unserved-limit", "never", "or none for a run that always waits"),
        ("--unserved-limit", "0", "is not a duration"),
        ("--result-ttl", "99999999d", "is not a time from 0.001s to 3650d"),
        ("--result-ttl", "0.0001", "is not a time from 0.001s to 3650d"),
    ],
)
def test_a_wrong_policy_or_limit_is_wrong_usage(
    command: tuple[str, ...], option: str, value: str, told: str
) -> None:
    done = CliRunner().invoke(main, [*command, option, value])
    assert done.exit_code == 2
    assert told in done.output


@pytest.mark.parametrize("option", [("--versions", "exact"), ("--unserved-limit", "none")])
def test_a_run_in_process_has_no_other_code_and_no_workers(option: tuple[str, str]) -> None:
    done = CliRunner().invoke(main, ["run", "flow.py", "--local", *option])
    assert done.exit_code == 2
    assert f"{option[0]}" in done.output
