"""Checks the inputs of a run against its plan, in a process that does not have the code."""

from __future__ import annotations

from collections.abc import Mapping

from astrum.errors import RunInputError
from astrum.execution.run_inputs import Wanted, collect, encoded_inputs, named_values
from astrum.planning.plan import Plan
from astrum.planning.run_inputs import GivenInputs
from astrum.values.codec import Codec
from astrum.values.payload import EncodedResult, pack_value


def checked_against_plan(plan: Plan, given: GivenInputs) -> Mapping[str, EncodedResult]:
    """Return the inputs of a run as they are sent, defaults included, sorted by name."""
    values = named_values(given)
    wanted = {
        spec.name: Wanted(spec.type_text, spec.secret, spec.is_required, spec.readers)
        for spec in plan.inputs
    }
    found = collect(wanted, values, values.__getitem__)
    if found.mistakes:
        raise RunInputError(found.mistakes)
    secrets = frozenset(spec.name for spec in plan.inputs if spec.secret)
    encoded = encoded_inputs(found.values, Codec(), secrets)
    for spec in plan.inputs:
        if spec.name not in encoded and spec.default is not None:
            encoded[spec.name] = pack_value(spec.default)
    return dict(sorted(encoded.items()))
