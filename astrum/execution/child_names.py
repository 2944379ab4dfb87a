"""Names the children of lists whose elements have keys, from encoded results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from astrum.data_transport.bindings import Path
from astrum.errors import TransportError
from astrum.execution.gathering import Fetching, worked
from astrum.execution.readings import KeyedList, Readings
from astrum.machine.places import Index
from astrum.machine.task_table import TaskTable
from astrum.planning.axes import ListSource
from astrum.values.codec import Codec
from astrum.values.compression import inflated_bytes
from astrum.values.lists import split
from astrum.values.projection import project
from astrum.values.references import BlobRef, reference_of

_CODEC = Codec()


def key_of(item: bytes, key: Path) -> str:
    """Return the key of an encoded element; raises `TransportError` kinds."""
    return str(_CODEC.decode(project(item, key)))


class ChildNames:
    """Tells the table of a run the keys of its children.

    They are in the results of the tasks of the plan in ``owners``, or of the children of these, and
    in inputs. Each value is to be noted as it comes. A big value is not read at once, but by
    `learning`; until then, and if it cannot be read, children have their indexes in their names.
    """

    def __init__(self, tasks: TaskTable) -> None:
        self._tasks = tasks
        self._lists: dict[int | None, list[KeyedList]] = {}
        self._later: dict[tuple[ListSource, Index], tuple[KeyedList, bytes]] = {}
        readings = Readings(tasks.plan)
        for template in tasks.roots:
            for keyed in readings.keyed(template):
                owner = None if keyed.source is None else keyed.source.template
                self._lists.setdefault(owner, []).append(keyed)
        self.owners = frozenset(owner for owner in self._lists if owner is not None)

    @property
    def is_needed(self) -> bool:
        """Whether there are any such lists in the run."""
        return bool(self._lists)

    @property
    def has_unread(self) -> bool:
        """Whether big values are to be read by `learning`."""
        return bool(self._later)

    def note(self, task: int, data: bytes) -> None:
        """Read the keys in the encoded result of a task or child, or in what it refers to."""
        if self._lists:
            for keyed in self._lists.get(self._tasks.template(task), ()):
                self._read(keyed, self._tasks.index(task), data)

    def note_inputs(self, inputs: Mapping[str, bytes]) -> None:
        """Read the keys in encoded inputs."""
        for keyed in self._lists.get(None, ()):
            if (data := inputs.get(keyed.list.source)) is not None:
                self._read(keyed, (), data)

    def learning(self) -> Iterator[Fetching[None]]:
        """Give for each big value what reads it; that raises `TransportError` kinds."""
        for place, (keyed, data) in list(self._later.items()):
            yield self._naming(keyed, place[1], data)
            if self._later.get(place) == (keyed, data):
                del self._later[place]

    def _read(self, keyed: KeyedList, index: Index, data: bytes) -> None:
        place = keyed.list, index
        self._later.pop(place, None)
        self._tasks.forget_keys(*place)  # the task ran again, and its list may be longer now
        try:
            next(self._naming(keyed, index, data))
        except (StopIteration, TransportError):
            return
        self._later[place] = keyed, data

    def _naming(self, keyed: KeyedList, index: Index, data: bytes) -> Fetching[None]:
        reference, path = reference_of(data), keyed.list.path
        if reference is not None:
            data = yield BlobRef(reference.digest, reference.size)
            path = (*reference.path, *path)
        keys = yield from worked(partial(_keys, data, path, keyed.key), inflated_bytes(data))
        self._tasks.set_keys(keyed.list, index, keys)


def _keys(data: bytes, path: Path, key: Path) -> list[str]:
    return [key_of(item, key) for item in split(data, path)]
