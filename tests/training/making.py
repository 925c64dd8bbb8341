"""Small problems that can be learned, for training runs that take a moment."""

from __future__ import annotations

import numpy as np
import torch

from metadx.cases import Cases, Provenance
from metadx.learners import MLP
from metadx.tasks import ConditionSource, MetaDataset, Shape, Split, Task

COLUMNS = 4


def separable(conditions: int, cases: int, seed: int) -> Cases:
    """A table whose conditions differ in the mean of their columns; every case is another patient."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(conditions), cases)
    centre = rng.normal(0, 1, (conditions, COLUMNS))
    return Cases(
        x=(centre[y] + rng.normal(0, 0.7, (len(y), COLUMNS))).astype(np.float32),
        y=y,
        patient=np.array([f"{seed}-{i}" for i in range(len(y))]),
        classes=tuple(f"condition {seed}-{i}" for i in range(conditions)),
        modality="table",
        provenance=Provenance("synthetic"),
    )


def dataset(split: Split = "train", seed: int = 0, shape: Shape | None = None) -> MetaDataset:
    """One split of 3-way 2-shot tasks."""
    shape = shape or Shape(ways=3, shots=2, query=4)
    return MetaDataset(split, [ConditionSource(separable(6, 12, seed))], shape, batch_size=3, batches=5)


def tasks(number: int, seed: int = 1) -> list[Task]:
    """Meta-validation tasks."""
    held_out = dataset("validation", seed)
    rng = np.random.default_rng(0)
    return [source.task(episode) for source, episode in (held_out.draw(rng) for _ in range(number))]


def network(outputs: int | None = 3) -> MLP:
    """The same small network every time."""
    torch.manual_seed(3)
    return MLP(*dataset().sources()[0].input_shape, outputs, hidden=(8,))
