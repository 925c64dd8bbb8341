"""What an algorithm learns from: batches of tasks, or batches of pooled cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from metadx.algorithms import Algorithm
from metadx.errors import UserError
from metadx.tasks import ConditionSource, Examples, MetaDataset, PatientSource, Task, make_examples

Feed = Callable[[np.random.Generator, int], Task | Examples]
"""Draws a batch of the given size."""


def feed_for(algorithm: Algorithm, dataset: MetaDataset) -> Feed:
    """The feed that the algorithm consumes."""
    return pooled_cases(dataset) if algorithm.consumes == "cases" else dataset.sample


def pooled_cases(dataset: MetaDataset) -> Feed:
    """Batches of cases of a split: each condition equally often, or where tasks are by patient each patient.

    Raises:
        UserError: the split has neither.
    """
    by_patient = [s for s in dataset.sources() if isinstance(s, PatientSource)]
    if by_patient:
        return _of_patients(by_patient)
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
        x = x if dataset.augment is None else dataset.augment(x, rng)
        return make_examples(x, torch.from_numpy(label), len(pools))

    return draw


def _of_patients(sources: Sequence[PatientSource]) -> Feed:
    everyone = [(source, patient) for source in sources for patient in sorted(source.patients())]

    def draw(rng: np.random.Generator, size: int) -> Examples:
        parts = []
        for at, count in zip(
            *np.unique(rng.integers(0, len(everyone), size), return_counts=True), strict=True
        ):
            source, patient = everyone[at]
            parts.append(source.examples(rng.choice(source.rows(patient), count)))
        return Examples(*(torch.cat(column) for column in zip(*parts, strict=True)))

    return draw


def pooled_classes(dataset: MetaDataset) -> int:
    """Number of conditions that `pooled_cases` tells apart."""
    return sum(len(s.cases.classes) for s in dataset.sources() if isinstance(s, ConditionSource))
