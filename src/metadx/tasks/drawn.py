"""Tasks of drawn episodes, made when they are looked at: the pictures of 600 of them fill gigabytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from metadx.tasks.source import Episode, TaskSource
from metadx.tasks.task import Task


class DrawnTasks(Sequence[Task]):
    """The tasks of episodes, each made anew whenever it is looked at.

    Args:
        drawn: every episode with its source, as `MetaDataset.episodes` gives them.
    """

    def __init__(self, drawn: Sequence[tuple[TaskSource, Episode]]) -> None:
        self.drawn = drawn

    def __len__(self) -> int:
        return len(self.drawn)

    @overload
    def __getitem__(self, at: int) -> Task: ...
    @overload
    def __getitem__(self, at: slice) -> DrawnTasks: ...
    def __getitem__(self, at: int | slice) -> Task | DrawnTasks:
        if isinstance(at, slice):
            return DrawnTasks(self.drawn[at])
        source, episode = self.drawn[at]
        return source.task(episode)
