"""Synthetic cases whose patients have several cases, and several conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metadx.cases import Cases, Provenance


def make_cases(
    y: Sequence[int], patient: Sequence[object], classes: int | Sequence[str] = 0, seed: int = 0
) -> Cases:
    """A table of three columns; `classes` are names or their number, by default as many as `y` needs."""
    labels = np.asarray(y)
    names = classes or int(labels.max()) + 1
    if isinstance(names, int):
        names = [f"condition {i}" for i in range(names)]
    return Cases(
        x=np.random.default_rng(seed).normal(size=(len(labels), 3)).astype(np.float32),
        y=labels,
        patient=np.array([str(p) for p in patient]),
        classes=tuple(names),
        modality="table",
        provenance=Provenance("synthetic"),
    )


def entangled_cases(seed: int, conditions: int = 6, patients: int = 40, per_condition: int = 25) -> Cases:
    """Cases of patients who each have several, of several conditions."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(conditions), per_condition)
    return make_cases(y.tolist(), rng.integers(0, patients, len(y)).tolist(), conditions, seed)
