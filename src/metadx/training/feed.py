"""What an algorithm learns from: batches of tasks, or batches of pooled cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from metadx.algorithms import Algorithm
from metadx.errors import UserError
from metadx.tasks import (
    Batch,
    ConditionSource,
    DrawnExamples,
    Examples,
    GroupSource,
    MetaDataset,
    PatientSource,
    Task,
    joined,
    make_examples,
    numbered_examples,
)

Feed = Callable[[np.random.Generator, int], Task | Examples]
"""Draws a batch of the given size."""


def draw(feed: Feed, rng: np.random.Generator, size: int) -> Batch | Task | Examples:
    """What a feed gives, of which one of ours leaves the rest of the work to the device that learns from it."""
    return feed.draw_batch(rng, size) if isinstance(feed, Tasks | Pooled) else feed(rng, size)


class Tasks:
    """Batches of tasks of a split, which can be named."""

    def __init__(self, dataset: MetaDataset) -> None:
        self._dataset = dataset

    def __call__(self, rng: np.random.Generator, size: int) -> Task:
        return self._dataset.sample(rng, size)

    def draw_batch(self, rng: np.random.Generator, size: int) -> Batch | Task:
        """A batch to be finished on the device that learns from it; whole, where a split samples in its own way."""
        plain = getattr(self._dataset.sample, "__func__", None) is MetaDataset.sample
        return self._dataset.draw_batch(rng, size) if plain else self._dataset.sample(rng, size)

    def names(self, rng: np.random.Generator, size: int) -> list[str]:
        """What each task of the batch that the same generator gives is about."""
        return self._dataset.names(rng, size)


class Pooled:
    """Batches of cases of a split.

    Args:
        dataset: the split, which says how cases are changed.
        draw: a batch of cases with what their sources keep in the place of inputs.
    """

    def __init__(self, dataset: MetaDataset, draw: Callable[[np.random.Generator, int], Examples]) -> None:
        self._dataset, self._draw = dataset, draw

    def __call__(self, rng: np.random.Generator, size: int) -> Examples:
        batch: Examples = self.draw_batch(rng, size).on("cpu")
        return batch

    def draw_batch(self, rng: np.random.Generator, size: int) -> Batch:
        """A batch to be finished on the device that learns from it."""
        x, y, mask = self._draw(rng, size)
        x, change = self._dataset.draw_changes(x, rng)
        return Batch((DrawnExamples(Examples(x, y, mask), change, kept=True),))


def feed_for(algorithm: Algorithm, dataset: MetaDataset) -> Feed:
    """The feed that the algorithm consumes."""
    return pooled_cases(dataset) if algorithm.consumes == "cases" else Tasks(dataset)


def pooled_cases(dataset: MetaDataset) -> Pooled:
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
        number = np.array([rng.choice(pools[y][1], 1)[0] for y in label])
        of_source: dict[ConditionSource, list[int]] = {}
        for at, y in enumerate(label):
            of_source.setdefault(pools[y][0], []).append(at)
        x = joined([source.kept(number[places]) for source, places in of_source.items()])
        x = x[torch.from_numpy(np.argsort(np.concatenate(list(of_source.values()))))]
        return make_examples(x, torch.from_numpy(label), len(pools))

    return Pooled(dataset, draw)


def _of_everyone(sources: Sequence[PatientSource | GroupSource], dataset: MetaDataset) -> Pooled:
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
        parts = [(sources[number], np.concatenate(rows)) for number, rows in chosen.items()]
        x = joined([source.kept(rows) for source, rows in parts])
        targets = [numbered_examples(source.cases, rows, source.target) for source, rows in parts]
        _, y, mask = (torch.cat(column) for column in zip(*targets, strict=True))
        return Examples(x, y, mask)

    return Pooled(dataset, draw)


def pooled_classes(dataset: MetaDataset) -> int:
    """Number of conditions that `pooled_cases` tells apart."""
    by_group = [s for s in dataset.sources() if isinstance(s, GroupSource)]
    if by_group:
        return len(by_group[0].cases.classes)
    return sum(len(s.cases.classes) for s in dataset.sources() if isinstance(s, ConditionSource))
