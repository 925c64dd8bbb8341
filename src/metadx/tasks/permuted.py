"""Diagnosis tasks in which measurements trade places: the same patients, another disease."""

from __future__ import annotations

import numpy as np
import torch

from metadx.cases import TableTransform
from metadx.errors import UserError
from metadx.tasks.conditions import ConditionEpisode, ConditionSource
from metadx.tasks.source import Shape
from metadx.tasks.task import Examples, Task


class PermutedEpisode(ConditionEpisode):
    """An episode, the input column that each column is read from, and the sign it is multiplied by."""

    order: tuple[int, ...]
    sign: tuple[int, ...]


class PermutedSource:
    """Tasks of another source with the raw columns of a table permuted, and continuous ones turned around.

    Columns with many values trade places among themselves, with the sign of their values flipped at random, and
    flags among themselves. A few training conditions become many tasks, and what the columns mean cannot be
    learned by heart.

    Args:
        source: tasks by condition over a table.
    """

    classification = True

    def __init__(self, source: ConditionSource) -> None:
        if not isinstance(source.transform, TableTransform):
            raise UserError(f"{source.name}: only the columns of a table can be permuted")
        self.name = f"{source.name}, permuted"
        self._source = source
        columns = source.transform.columns
        self._width = source.transform.shape[0]
        kinds = {(c.continuous, bool(c.missing)) for c in columns}
        self._groups = [
            [c for c in columns if (c.continuous, bool(c.missing)) == kind] for kind in sorted(kinds)
        ]

    def patients(self) -> frozenset[str]:
        return self._source.patients()

    def conditions(self) -> frozenset[str]:
        return self._source.conditions()

    def draw(self, rng: np.random.Generator, shape: Shape) -> PermutedEpisode:
        order, sign = np.arange(self._width), np.ones(self._width, dtype=int)
        for group in self._groups:
            for to, at in enumerate(rng.permutation(len(group))):
                order[list(group[to].inputs)] = group[at].inputs
                if group[to].continuous:
                    sign[list(group[to].value)] = rng.choice([-1, 1])
        episode = self._source.draw(rng, shape)
        return PermutedEpisode(order=tuple(order.tolist()), sign=tuple(sign.tolist()), **episode.model_dump())

    def task(self, episode: PermutedEpisode) -> Task:
        order, sign = torch.tensor(episode.order), torch.tensor(episode.sign)
        parts = self._source.task(episode)
        return Task(*(Examples(part.x[:, order] * sign, part.y, part.mask) for part in parts))
