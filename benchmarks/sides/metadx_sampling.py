"""Episodes as metadx draws them for training: a batch of tasks at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from drawing import SHAPE, TOGETHER
from metadx.cases import Cases, Provenance
from metadx.tasks import ConditionSource, MetaDataset, Shape


def drawing(file: Path) -> Callable[[int], int]:
    """From a number of episodes to how many cases they held."""
    with np.load(file) as arrays:
        pictures, labels = arrays["pictures"], arrays["labels"]
    cases = Cases(
        x=pictures,
        y=labels,
        patient=np.arange(len(labels)).astype(str),
        classes=tuple(f"class {i}" for i in range(labels.max() + 1)),
        modality="image",
        provenance=Provenance("made for the benchmark"),
    )
    ways, shots, query = SHAPE
    dataset = MetaDataset("train", [ConditionSource(cases)], Shape(ways=ways, shots=shots, query=query))
    rng = np.random.default_rng(0)

    def run(number: int) -> int:
        batches = [dataset.sample(rng, TOGETHER) for _ in range(number // TOGETHER)]
        return sum(batch.support.mask.numel() + batch.query.mask.numel() for batch in batches)

    return run
