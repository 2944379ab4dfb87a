"""The order in which ready tasks are dispatched."""

from __future__ import annotations

from astrum.planning.plan import Plan


def ranks(plan: Plan) -> list[int]:
    """One sortable number per task, longest remaining path first, plan order among equals.

    ``rank % len(tasks)`` is the task, so the heap holds plain integers. Empty if all are equal.
    """
    remaining = plan.remaining
    size = len(remaining)
    longest = max(remaining, default=0)
    if longest == 1:
        return []
    return [(longest - length) * size + task for task, length in enumerate(remaining)]
