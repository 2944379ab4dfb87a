"""The results of a run as bytes, and the arguments that are cut and joined from them.

Nothing is decoded: a whole result is spliced into the next message, a part is cut out of its bytes,
the results of children are joined to a list, and of a result kept apart (a blob) only the reference
travels. A coordinator does this, and a run in process that checks the wire does the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from functools import partial

from astrum.data_transport.bindings import Binding
from astrum.data_transport.locate import binding_error
from astrum.data_transport.task_failure import TaskFailure
from astrum.errors import LocateError, TransportError
from astrum.execution.child_names import key_of
from astrum.execution.gathering import Fetching, Gather, too_early, worked
from astrum.execution.readings import Reading, Readings, Source, failure_of
from astrum.execution.split_lists import KeptList, SplitLists
from astrum.machine.state import RunState
from astrum.machine.task_state import SUCCEEDED
from astrum.machine.task_table import TaskTable
from astrum.planning.axes import ListSource
from astrum.planning.plan import TaskSpec
from astrum.values.arguments import pack_arguments
from astrum.values.codec import Codec
from astrum.values.compression import MIN_COMPRESSED_BYTES, inflated_bytes
from astrum.values.lists import EncodedList, split
from astrum.values.payload import (
    EncodedResult,
    pack_task_arguments,
    pack_value,
    part_of_result,
)
from astrum.values.projection import project
from astrum.values.projector import Projector
from astrum.values.references import Blob, BlobRef, reference_of

_CODEC = Codec()
_JOINED_KEPT = 128


class EncodedResults:
    """Encoded results by task number, and the encoded inputs of the run by name.

    ``state`` is that of the run; a plain plan needs none.
    """

    def __init__(
        self,
        tasks: TaskTable,
        max_argument_bytes: int,
        state: RunState | None = None,
    ) -> None:
        self.tasks = tasks
        self.is_plain = tasks.plan.is_plain
        self._index = tasks.plan.index
        self._values: list[bytes | None] = []
        self._inputs: Mapping[str, bytes] = {}
        self._max_argument_bytes = max_argument_bytes
        self._state = None if self.is_plain else state
        self._projector = Projector()
        self._readings = Readings(tasks.plan)
        self._lists = SplitLists()
        self._joined: OrderedDict[Hashable, bytes] = OrderedDict()
        self._named: set[tuple[ListSource, tuple[int, ...]]] = set()
        self._unstored: dict[str, Blob] = {}
        self._reopened = 0

    def keep(self, task: int, value: bytes) -> None:
        """Hold the encoded result of a task, or the reference to it."""
        if task >= len(self._values):  # the table has grown, or this is the first result
            self._values += [None] * (len(self.tasks) - len(self._values))
        self._values[task] = value

    def keep_inputs(self, values: Mapping[str, bytes]) -> None:
        """Hold the encoded inputs of the run, or the references to them."""
        self._inputs = values

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Give the encoded results by task number, in its order."""
        return ((task, data) for task, data in enumerate(self._values) if data is not None)

    def key(self, task: int) -> str:
        """Return what names a child in the brackets of its name if that is not its index."""
        is_named = self._readings.keyed(self.tasks.template(task))
        return self.tasks.key(task) if is_named else ""

    def take_unstored(self) -> list[Blob]:
        """Return the big values to store before the arguments that refer to them are sent."""
        blobs, self._unstored = list(self._unstored.values()), {}
        return blobs

    def forget_joined(self) -> None:
        """Join again what is read from now on: tasks may have other ends, or blobs may be lost."""
        self._joined.clear()
        self._named.clear()
        self._lists = SplitLists()

    def value(self, task: int | None) -> bytes | None:
        """Return the encoded result of a task, or the reference to it; `None` if it has none.

        A task that failed because of its result has none.
        """
        if task is None or task >= len(self._values):
            return None
        if self._state is not None and self._state.states[task] != SUCCEEDED:
            return None
        return self._values[task]

    def failure(self, task: int | None) -> TaskFailure:
        """Return what stands for the result of a task that has none."""
        if self._state is None:
            raise LookupError("nothing here knows how tasks ended")
        return failure_of(self._state, task)

    def _notice_reopening(self) -> None:
        """Forget what was joined and split if tasks that had ended run again since."""
        if self._state is not None:
            count = len(self._state.attempt_log.reopened)
            if count != self._reopened:
                self._reopened = count
                self.forget_joined()

    # --- arguments ----------------------------------------------------------------------

    def arguments(self, spec: TaskSpec) -> bytes:
        """Return the encoded arguments of a task of a plain plan whose needs have all succeeded.

        An optional one whose part is absent is left out: the worker has its default value.
        Raises `TransportError` for a field that an upstream's result does not have, and
        `PayloadTooLargeError`; both name task and parameter.
        """
        parts = (
            (binding.parameter, part)
            for binding in spec.bindings
            if (part := self._whole(spec, binding)) is not None
        )
        return pack_task_arguments(spec.task_id, parts, self._max_argument_bytes)

    def arguments_at_hand(self, task: int) -> bytes | None:
        """Return the encoded arguments of any task or child if nothing is to be fetched or made.

        Nearly all children are given theirs here; else it is `None`, and `fetching_arguments` finds
        them, or tells what is wrong.
        """
        self._notice_reopening()
        place = self.tasks.place_of(task)
        template = task
        index: tuple[int, ...] = ()
        if place is not None:
            template, index = place.template, (*place.index, task - place.first)
            if self._readings.keyed(template) and not self._is_named(template, index):
                return None
        spec = self.tasks.plan.tasks[template]
        used: list[KeptList] = []
        parts: list[tuple[str | int, bytes]] = []
        for reading in self._readings.of(template):
            part = self._at_hand(spec, reading, index, used)
            if part is None or len(part) > MIN_COMPRESSED_BYTES:
                return None
            parts.append((reading.binding.parameter, part))
        data = pack_arguments(parts)
        if len(data) > self._max_argument_bytes:
            return None
        for kept in used:
            self._lists.use(kept)
        return data

    def _at_hand(
        self,
        spec: TaskSpec,
        reading: Reading,
        index: tuple[int, ...],
        used: list[KeptList],
    ) -> bytes | None:
        binding, _, axis, is_list, source, one = reading
        if source is None and one is None:
            return None if is_list else self._whole(spec, binding)
        owned_by = () if source is None else source.index_for(index)
        if one is not None and axis is not None:
            kept = self._lists.find((one, owned_by))
            if kept is None:
                return None
            used.append(kept)
            item = kept.items[index[axis]]
            try:
                return project(item, binding.item) if binding.item else item
            except TransportError:
                return None
        if is_list or source is None:
            return None
        data = self.value(self.tasks.find(source.template, owned_by))
        return data if data is None or not binding.path else None

    def _is_named(self, template: int, index: tuple[int, ...]) -> bool:
        """Return whether the table knows the keys of the lists of which a child is."""
        return all(
            (one, () if owner is None else owner.index_for(index)) in self._named
            for one, owner, _ in self._readings.keyed(template)
        )

    def fetching_arguments(self, task: int) -> Fetching[bytes]:
        """Return the encoded arguments of any task or child, as `arguments` does.

        Afterwards what `take_unstored` returns is to be stored.
        """
        parts = yield from self.parts(task)
        name = self.tasks.name(task)
        return pack_task_arguments(name, parts, self._max_argument_bytes)

    def parts(self, task: int) -> Fetching[list[tuple[str | int, bytes]]]:
        """Return the encoded argument of each parameter that gets one."""
        self._notice_reopening()
        tasks = self.tasks
        spec, index = tasks.spec(task), tasks.index(task)
        if index:
            yield from self._name_children(spec, task, index)
        found: list[tuple[str | int, bytes]] = []
        for reading in self._readings.of(tasks.template(task)):
            binding = reading.binding
            if reading.axis is not None:
                part = yield from self._element(spec, reading, index)
            elif reading.is_list:
                part = yield from self._list(spec, reading, index)
            elif not reading.sources:
                part = self._whole(spec, binding)
            else:
                part = self._single(spec, binding, reading.numbers(tasks, index))
            if part is not None:
                found.append((binding.parameter, part))
        return found

    def _whole(self, spec: TaskSpec, binding: Binding) -> bytes | None:
        if binding.origin == "input":
            return self._part(spec, binding, self._input(spec, binding.source))
        data = self.value(self._index[binding.source])
        if data is None:
            raise too_early(spec, binding.source)
        return self._part(spec, binding, data)

    def _single(self, spec: TaskSpec, binding: Binding, task: int | None) -> bytes | None:
        data = self.value(task)
        if data is not None:
            return self._part(spec, binding, data, task)
        if binding.holes == "failure":
            return _CODEC.encode(self.failure(task))
        if binding.parameter in spec.optional:
            return None
        raise too_early(spec, binding.source)

    def _part(
        self, spec: TaskSpec, binding: Binding, data: bytes, task: int | None = None
    ) -> bytes | None:
        name = (binding.source, binding.origin, task)
        try:
            return part_of_result(data, binding.path, self._projector, name)
        except LocateError as error:
            if error.is_absent and binding.parameter in spec.optional:
                return None
            raise binding_error(spec.task_id, binding, error) from None

    def _input(self, spec: TaskSpec, name: str) -> bytes:
        data = self._inputs.get(name)
        if data is None:
            raise TransportError(
                f"task {spec.task_id!r} reads the input {name!r}, which the run was created "
                "without; start a new run"
            )
        return data

    # --- elements of lists --------------------------------------------------------------

    def _element(
        self, spec: TaskSpec, reading: Reading, index: tuple[int, ...]
    ) -> Fetching[bytes | None]:
        binding, axis, one = reading.binding, reading.axis, reading.list
        assert axis is not None
        assert one is not None
        items = yield from self._items(spec, one, reading.source, index)
        try:
            part = project(items[index[axis]], binding.item or ())
        except LocateError as error:
            if error.is_absent and binding.parameter in spec.optional:
                return None
            raise binding_error(spec.task_id, binding, error) from None
        return (yield from self._apart(part))

    def _items(
        self, spec: TaskSpec, one: ListSource, owner: Source | None, index: tuple[int, ...]
    ) -> Fetching[EncodedList]:
        """Return the list of which a child with this index is, split once for all children."""
        owned_by = () if owner is None else owner.index_for(index)
        kept = self._lists.find((one, owned_by))
        if kept is not None:
            self._lists.use(kept)
            return kept.items
        if owner is None:
            data: bytes | None = self._input(spec, one.source)
        else:
            data = self.value(self.tasks.find(owner.template, owned_by))
        if data is None:
            raise too_early(spec, one.source)
        reference, path = reference_of(data), one.path
        if reference is not None:
            data = yield BlobRef(reference.digest, reference.size)
            path = (*reference.path, *path)
        items: EncodedList = yield from worked(partial(split, data, path), inflated_bytes(data))
        self._lists.add((one, owned_by), items, self._uses(one, owned_by))
        return items

    def _uses(self, one: ListSource, owned_by: tuple[int, ...]) -> int:
        """Return how often an element of a list is read if every child runs once."""
        having = self.tasks.having
        return sum(
            1
            for template, owner in self._readings.of_elements.get(one, ())
            for _ in having(template, () if owner is None else owner.places, owned_by)
        )

    def _name_children(self, spec: TaskSpec, task: int, index: tuple[int, ...]) -> Fetching[None]:
        """Tell the table the keys of the lists of which a child is, when they are first needed."""
        for one, owner, key in self._readings.keyed(self.tasks.template(task)):
            owned_by = () if owner is None else owner.index_for(index)
            if (one, owned_by) not in self._named:
                items = yield from self._items(spec, one, owner, index)
                self._named.add((one, owned_by))
                self.tasks.set_keys(one, owned_by, [key_of(item, key) for item in items])

    # --- lists of results ---------------------------------------------------------------

    def _list(
        self, spec: TaskSpec, reading: Reading, index: tuple[int, ...]
    ) -> Fetching[bytes | None]:
        """Return the results of several tasks, joined once for all that read the same."""
        binding = reading.binding
        read = tuple([(source.template, source.index_for(index)) for source in reading.sources])
        key = (read, binding.path, binding.holes)
        known = self._joined.get(key)
        if known is None:
            numbers = reading.numbers(self.tasks, index)
            gather = Gather(self, spec, binding)
            items = yield from gather.items(numbers)
            data: bytes = yield from worked(partial(gather.join, items), gather.size)
            known = self._joined[key] = yield from self._apart(data)
            if len(self._joined) > _JOINED_KEPT:
                self._joined.popitem(last=False)
        return known

    def _apart(self, data: bytes) -> Fetching[bytes]:
        """Return what is sent for a value: the value, or the reference to it if it is big."""
        if len(data) <= MIN_COMPRESSED_BYTES:
            return data
        packed: EncodedResult = yield from worked(partial(pack_value, data), len(data))
        if packed.blob is not None:
            self._unstored[packed.blob.digest] = packed.blob
        return packed.value
