"""What an algorithm learns from: batches of tasks, or batches of pooled cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from metadx.algorithms import Algorithm
from metadx.errors import UserError
from metadx.tasks import ConditionSource, Examples, MetaDataset, Task, make_examples

Feed = Callable[[np.random.Generator, int], Task | Examples]
"""Draws a batch of the given size."""


def feed_for(algorithm: Algorithm, dataset: MetaDataset) -> Feed:
    """The feed that the algorithm consumes."""
    return pooled_cases(dataset) if algorithm.consumes == "cases" else dataset.sample


def pooled_cases(dataset: MetaDataset) -> Feed:
    """Batches of cases of all conditions of a split, each condition equally often.

    Raises:
        UserError: the split has no conditions to pool.
    """
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
        return make_examples(torch.cat(inputs), torch.from_numpy(label), len(pools))

    return draw


def pooled_classes(dataset: MetaDataset) -> int:
    """Number of conditions that `pooled_cases` tells apart."""
    return sum(len(s.cases.classes) for s in dataset.sources() if isinstance(s, ConditionSource))
