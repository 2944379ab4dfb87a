"""Short names for all tasks of a namespace: for what they take and give, and for their code.

Two processes with one offer can run each other's attempts, as far as types and data tell. Bodies
of functions do not count there, so most changes of code do not change an offer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from astrum.planning.fingerprint import SOURCE_DIGITS


class NamespaceVersion(NamedTuple):
    """The version of a namespace, as one process has it; "" is one that is not known.

    ``offer`` is 16 hex digits of its name and of the ids, lanes, parameters, result types and own
    data of its tasks; ``code`` is 16 of the offer and the sources.
    """

    offer: str = ""
    code: str = ""


def namespace_version(namespace: str, fingerprints: Mapping[str, str]) -> NamespaceVersion:
    """Return the version of a namespace, from the fingerprints of all its tasks by their ids."""
    ids = sorted(fingerprints)
    found = [fingerprints[task_id] for task_id in ids]
    offer = _digest(json.dumps([namespace, ids, [one[SOURCE_DIGITS:] for one in found]]))
    return NamespaceVersion(offer, _digest("".join([offer, *[o[:SOURCE_DIGITS] for o in found]])))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
