"""Inputs of tasks that need not measure the same things, such as studies of other genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OwnColumns:
    """Values as they are, a missing one its column's mean, with columns of 0 up to a common width.

    Nothing else is fitted: what a column means, and on what scale it is, is left to an algorithm that takes any
    columns, such as `metadx.algorithms.GramRidge`.

    Args:
        fill: the mean of each column, 0 where it was never observed; shape (columns,).
        width: columns of the inputs, at least as many.
    """

    fill: NDArray[np.float64]
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.width,)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        inputs = np.zeros((len(x), self.width), dtype=np.float32)
        inputs[:, : len(self.fill)] = np.where(np.isfinite(x), x, self.fill)
        return inputs


def fit_own_columns(x: NDArray[Any], width: int | None = None) -> OwnColumns:
    """Fits `OwnColumns` on rows `x`, shape (cases, columns), NaN where missing; as wide as they are by default."""
    raw = np.asarray(x, dtype=np.float64)
    seen = np.isfinite(raw)
    mean = np.where(seen, raw, 0.0).sum(0) / np.maximum(seen.sum(0), 1)
    return OwnColumns(mean, max(width or 0, raw.shape[1]))
