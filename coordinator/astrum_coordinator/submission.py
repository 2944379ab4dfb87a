"""The details that are kept with a run from its submission: who, which code, which labels."""

from __future__ import annotations

import math
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from astrum.errors import RunError, TaskRegistrationError
from astrum.execution.invoke import Flow
from astrum.planning.fingerprint import COMPATIBLE, EXACT
from astrum.planning.plan import Plan
from astrum.planning.priorities import is_priority, not_a_priority
from astrum.protocol.records import (
    CODE,
    LABEL,
    NO_LIMIT,
    OFFER,
    PLANNING,
    PRIORITY,
    RESULT_TTL,
    TRACEPARENT,
    UNSERVED_LIMIT,
    VERSIONS,
    is_traceparent,
)
from astrum.runtime.version import installed_version
from astrum_coordinator.asking.submitter import submitter
from astrum_coordinator.config import check_result_ttl, check_versions
from astrum_coordinator.leading.run_limits import TIMEOUT_DETAIL

MAX_LABELS = 32
MAX_VALUE = 256
_MAX_MODULES_TEXT = 500
_NAME = re.compile(r"[\w.@/+-]{1,64}", re.ASCII)


def check_flow(flow: object) -> None:
    """Raise unless this is a flow that can run on workers."""
    if not isinstance(flow, Flow):
        raise TypeError(
            f"submit_flow() takes a Flow, got a {type(flow).__name__}: pass "
            "registry.build_scheduler().flow(fingerprints=True)"
        )
    if flow.local_only:
        raise TaskRegistrationError(f"this flow cannot run on workers: {flow.local_only}")


def new_run_id() -> str:
    """Return an id that sorts by time and is unique: ``20260131-235959-a1b2c3d4``."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(4)


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels that a run can have; raises `RunError` for others."""
    if len(labels) > MAX_LABELS:
        raise RunError(f"a run has at most {MAX_LABELS} labels, got {len(labels)}")
    for name, value in labels.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise RunError(
                f"{name!r} cannot name a label: use 1 to 64 letters, digits and . _ @ / + -"
            )
        if not isinstance(value, str) or len(value) > MAX_VALUE or not value.isprintable():
            raise RunError(
                f"the value of label {name!r} is not a printable string of at most "
                f"{MAX_VALUE} characters"
            )
    return dict(labels)


def traceparent_of_environment() -> str:
    """Return the ``TRACEPARENT`` that this process was started with, "" without a valid one."""
    text = os.environ.get(TRACEPARENT.upper(), "").strip()
    return text if is_traceparent(text) else ""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is to be led and kept, as the arguments of `Coordinator.submit_flow`."""

    labels: Mapping[str, str]
    timeout_s: float | None = None
    result_ttl_s: float | None = None
    traceparent: str = ""
    versions: str = ""
    unserved_limit_s: float | None = None
    priority: int = 0


def submission_details(flow: Flow, options: RunOptions) -> dict[str, str]:
    """Return what is kept with a run; raises `RunError` for what it cannot have."""
    return plan_details(flow.plan, modules_of(flow)) | {
        PLANNING: f"{flow.planning_s:.6f}",
        **option_details(flow.plan, options),
    }


def plan_details(plan: Plan, modules: str) -> dict[str, str]:
    """Return what is kept with every run of a plan."""
    details = {
        "namespace": plan.namespace,
        "tasks": str(len(plan.tasks)),
        "by": submitter(),
        "version": installed_version(),
        "modules": modules,
        OFFER: plan.offer,
        CODE: plan.code,
    }
    return {name: value for name, value in details.items() if value}


def option_details(plan: Plan, options: RunOptions) -> dict[str, str]:
    """Return what is kept of how one run was asked for; raises as `submission_details`."""
    traceparent, timeout_s = options.traceparent, options.timeout_s
    if traceparent and not is_traceparent(traceparent):
        raise RunError(f"{traceparent!r} is not a traceparent of the form 00-TRACE-SPAN-FLAGS")
    if not is_priority(options.priority):
        raise RunError(not_a_priority(options.priority))
    details = {
        PRIORITY: str(options.priority) if options.priority else "",
        TRACEPARENT: traceparent,
        VERSIONS: _checked_versions(options.versions, plan),
        UNSERVED_LIMIT: _limit_text(options.unserved_limit_s),
        RESULT_TTL: _life_text(options.result_ttl_s),
        TIMEOUT_DETAIL: "" if timeout_s is None else f"{timeout_s:g}",
    }
    known = {name: value for name, value in details.items() if value}
    labels = checked_labels(options.labels)
    return known | {f"{LABEL}{name}": value for name, value in labels.items()}


def _life_text(result_ttl_s: float | None) -> str:
    """Return how long an ended run is kept as its detail, "" if its leader decides."""
    if result_ttl_s is None:
        return ""
    try:
        check_result_ttl(result_ttl_s)
    except ValueError as error:
        raise RunError(str(error)) from None
    return f"{result_ttl_s:.3f}"


def _checked_versions(versions: str, plan: Plan) -> str:
    try:
        check_versions(versions or COMPATIBLE)
    except ValueError as error:
        raise RunError(str(error)) from None
    if versions == EXACT and not plan.code:
        raise RunError(
            'versions="exact" needs a flow that says which code it was made from: take '
            "build_scheduler().flow(fingerprints=True)"
        )
    return versions


def _limit_text(limit_s: float | None) -> str:
    """Return the limit of a run as its detail, "" if the run has that of its leader."""
    if limit_s is None:
        return ""
    if not isinstance(limit_s, (int, float)) or not limit_s > 0:
        raise RunError(
            f"unserved_limit_s must be a positive number of seconds, got {limit_s!r}; write "
            "math.inf for a run that always waits"
        )
    return NO_LIMIT if math.isinf(limit_s) else f"{limit_s:g}"


def modules_of(flow: Flow) -> str:
    """Return the modules that the functions of a flow come from, as far as they fit in a line."""
    names = {getattr(task.function, "__module__", None) for task in flow.tasks.values()}
    text = ",".join(sorted(name for name in names if isinstance(name, str)))
    return text if len(text) <= _MAX_MODULES_TEXT else text[: _MAX_MODULES_TEXT - 3] + "..."
