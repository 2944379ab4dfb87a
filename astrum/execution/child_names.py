"""Names the children of lists whose elements have keys, from encoded results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from astrum.data_transport.bindings import Path
from astrum.execution.gathering import Fetching
from astrum.execution.readings import KeyedList, Readings
from astrum.machine.task_table import TaskTable
from astrum.values.codec import Codec
from astrum.values.lists import split
from astrum.values.projection import project
from astrum.values.references import BlobRef, reference_of

_CODEC = Codec()


def key_of(item: bytes, key: Path) -> str:
    """Return the key of an encoded element; raises `TransportError` kinds."""
    return str(_CODEC.decode(project(item, key)))


def naming(
    tasks: TaskTable, value_of: Callable[[int], bytes | None], inputs: Mapping[str, bytes]
) -> Fetching[None]:
    """Tell a table the keys of all lists that are known.

    ``value_of`` returns the encoded result of a task, or a reference to it, or `None`. For readers
    of a run: its leader learns the keys when it sends the children.
    """
    readings = Readings(tasks.plan)
    for template in tasks.roots:
        for keyed in readings.keyed(template):
            for index, data in _owners(tasks, keyed, value_of, inputs):
                reference, path = reference_of(data), keyed.list.path
                if reference is not None:
                    data = yield BlobRef(reference.digest, reference.size)
                    path = (*reference.path, *path)
                keys = [key_of(item, keyed.key) for item in split(data, path)]
                tasks.set_keys(keyed.list, index, keys)


def _owners(
    tasks: TaskTable,
    keyed: KeyedList,
    value_of: Callable[[int], bytes | None],
    inputs: Mapping[str, bytes],
) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """All that hold such a list: the index of the child that returned it, and its result."""
    if keyed.source is None:
        data = inputs.get(keyed.list.source)
        if data is not None:
            yield (), data
        return
    template = keyed.source.template
    for owner in tasks.children(template) if template in tasks.roots else (template,):
        data = value_of(owner)
        if data is not None:
            yield tasks.index(owner), data
