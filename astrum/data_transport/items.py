"""What annotations declare, in the form in which a graph of a million tasks can afford it.

The attributes are those of `DTRela`, `DataItem` and `TaskData`, so that both read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from astrum.data_transport.models import DataItem, DTRela, TaskData


@dataclass(slots=True)
class End:
    """One end of a declared relation; see `DTRela`."""

    related_task: str
    key: str | None
    index: int | None
    single_item: bool = False
    from_function: None = None


class Item(NamedTuple):
    """One declared relation; see `DataItem`."""

    from_relation: End
    to_relation: End
    allow_data_model: type | None


class TaskItems(NamedTuple):
    """The declared relations of one task; see `TaskData`."""

    task_id: str
    input_data_item: Sequence[Item]
    output_data_item: Sequence[Item]
    from_tasks: Sequence[str]
    to_tasks: Sequence[str]


if TYPE_CHECKING:
    AnyEnd: TypeAlias = DTRela | End
    AnyItem: TypeAlias = DataItem | Item
    AnyTaskData: TypeAlias = TaskData | TaskItems
