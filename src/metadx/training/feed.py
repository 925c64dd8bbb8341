"""What an algorithm learns from: batches of tasks, or batches of pooled cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from metadx.algorithms import Algorithm
from metadx.errors import UserError
from metadx.tasks import (
    ConditionSource,
    Examples,
    GroupSource,
    MetaDataset,
    PatientSource,
    Task,
    make_examples,
)

Feed = Callable[[np.random.Generator, int], Task | Examples]
"""Draws a batch of the given size."""


class Tasks:
    """Batches of tasks of a split, which can be named."""

    def __init__(self, dataset: MetaDataset) -> None:
        self._dataset = dataset

    def __call__(self, rng: np.random.Generator, size: int) -> Task:
        return self._dataset.sample(rng, size)

    def names(self, rng: np.random.Generator, size: int) -> list[str]:
        """What each task of the batch that the same generator gives is about."""
        return self._dataset.names(rng, size)


def feed_for(algorithm: Algorithm, dataset: MetaDataset) -> Feed:
    """The feed that the algorithm consumes."""
    return pooled_cases(dataset) if algorithm.consumes == "cases" else Tasks(dataset)


def pooled_cases(dataset: MetaDataset) -> Feed:
    """Batches of cases of a split: each condition equally often, or each patient or group where those are the axis.

    Raises:
        UserError: the split has neither.
    """
    fixed = [s for s in dataset.sources() if isinstance(s, PatientSource | GroupSource)]
    if fixed:
        return _of_everyone(fixed, dataset)
    sources = [s for s in dataset.sources() if isinstance(s, ConditionSource)]
    if not sources:
        raise UserError(
            f"the {dataset.split} split has no conditions to pool; use an algorithm that learns from tasks"
        )
    pools = [
        (source, np.flatnonzero(source.cases.y == y))
        for source in sources
        for y in range(len(source.cases.classes))
    ]

    def draw(rng: np.random.Generator, size: int) -> Examples:
        label = rng.integers(0, len(pools), size)
        inputs = [pools[y][0].inputs(rng.choice(pools[y][1], 1)) for y in label]
        x = torch.cat(inputs)
        x = dataset.augmented_cases(x, rng)
        return make_examples(x, torch.from_numpy(label), len(pools))

    return draw


def _of_everyone(sources: Sequence[PatientSource | GroupSource], dataset: MetaDataset) -> Feed:
    """Batches to which every patient or group gives as many cases, on average; of weighted sources, within each."""
    everyone = [
        (number, source.rows(name))
        for number, source in enumerate(sources)
        for name in (source.groups if isinstance(source, GroupSource) else sorted(source.patients()))
    ]

    weights = dataset.weights
    share = None
    if weights is not None:
        source = np.array([number for number, _ in everyone])
        share = weights[source] / np.bincount(source)[source]

    def draw(rng: np.random.Generator, size: int) -> Examples:
        drawn = (
            rng.integers(0, len(everyone), size)
            if share is None
            else rng.choice(len(everyone), size, p=share)
        )
        chosen: dict[int, list[NDArray[np.int64]]] = {}
        for at, count in zip(*np.unique(drawn, return_counts=True), strict=True):
            number, rows = everyone[at]
            chosen.setdefault(number, []).append(rng.choice(rows, count))
        parts = [sources[number].examples(np.concatenate(rows)) for number, rows in chosen.items()]
        x, y, mask = (torch.cat(column) for column in zip(*parts, strict=True))
        return Examples(dataset.augmented_cases(x, rng), y, mask)

    return draw


def pooled_classes(dataset: MetaDataset) -> int:
    """Number of conditions that `pooled_cases` tells apart."""
    by_group = [s for s in dataset.sources() if isinstance(s, GroupSource)]
    if by_group:
        return len(by_group[0].cases.classes)
    return sum(len(s.cases.classes) for s in dataset.sources() if isinstance(s, ConditionSource))
