"""Turning observations into network inputs, with everything fitted on meta-training cases only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases


class Transform(Protocol):
    """Maps raw observations, shape (cases, ...), to float32 inputs with no missing values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one transformed case."""

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Pixels:
    """Scales uint8 pixels to 0..1; other dtypes only change to float32."""

    shape: tuple[int, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        scale = np.float32(255.0) if x.dtype == np.uint8 else np.float32(1.0)
        return x.astype(np.float32) / scale


@dataclass(frozen=True)
class TableTransform:
    """Standardises each column, after a signed log where that makes it less skewed; missing values become the
    column's mean and are flagged in an indicator column of their own.

    Args:
        log: columns that take the signed log, shape (columns,), bool.
        mean, std: of each column after the log, shape (columns,).
        indicator: columns that were missing at least once in the fitted cases, shape (columns,), bool.
        clip: standardised values are limited to this many standard deviations.
    """

    log: NDArray[np.bool_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    indicator: NDArray[np.bool_]
    clip: float = 5.0

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.mean) + int(self.indicator.sum()),)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        value = x.astype(np.float64)
        value = np.where(self.log, _signed_log(value), value)
        value = np.clip((value - self.mean) / self.std, -self.clip, self.clip)
        missing = ~np.isfinite(value)
        value[missing] = 0.0
        return np.concatenate([value, missing[:, self.indicator]], axis=1).astype(np.float32)


def fit_transform(cases: Cases) -> Transform:
    """The transform that suits the cases' modality, fitted on them alone."""
    if cases.modality == "table":
        return fit_table(cases.x)
    return Pixels(cases.x.shape[1:])


def fit_table(x: NDArray[Any]) -> TableTransform:
    """Fits a `TableTransform` on rows `x`, shape (cases, columns), NaN where missing."""
    value = np.asarray(x, dtype=np.float64)
    value = np.where(np.isfinite(value), value, np.nan)
    logged = _signed_log(value)
    log = np.asarray(np.abs(_skewness(logged)) < np.abs(_skewness(value)))
    value = np.where(log, logged, value)
    seen = np.isfinite(value)
    count = np.maximum(seen.sum(0), 1)
    mean = np.where(seen, value, 0.0).sum(0) / count
    std = np.sqrt(np.where(seen, (value - mean) ** 2, 0.0).sum(0) / count)
    return TableTransform(log, mean, np.where(std > 1e-12, std, 1.0), ~seen.all(0))


def _signed_log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(x) * np.log1p(np.abs(x))


def _skewness(x: NDArray[np.float64]) -> NDArray[np.float64]:
    seen = np.isfinite(x)
    count = np.maximum(seen.sum(0), 1)
    centred = np.where(seen, x - np.where(seen, x, 0.0).sum(0) / count, 0.0)
    variance = (centred**2).sum(0) / count
    skewness: NDArray[np.float64] = (centred**3).sum(0) / count / np.maximum(variance, 1e-12) ** 1.5
    return skewness
