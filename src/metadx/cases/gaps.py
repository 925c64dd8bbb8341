"""Signals with gaps as network inputs: the last value observed, whether it is of now, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CLIP = 8.0


@dataclass(frozen=True)
class GapTransform:
    """Three blocks of channels from signals that are NaN where nothing was observed.

    The last value observed, standardised, and 0, the mean, before there was one; 1 where one was observed in that
    step; and log(1 + steps since the last one), as a share of the whole length, where steps before the first
    observation count from the start. Nothing later than a step is looked at. A channel that was never observed in
    the fitted signals is 0 throughout in its values.

    Args:
        mean, std: of each channel, shape (channels,).
        steps: samples of a signal.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    steps: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (3 * len(self.mean), self.steps)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        observed = np.isfinite(x)
        with np.errstate(invalid="ignore"):
            scaled = (x - self.mean[:, None]) / self.std[:, None]
        value = np.clip(np.where(observed, scaled, 0.0), -_CLIP, _CLIP)
        step = np.arange(self.steps)
        last = np.maximum.accumulate(np.where(observed, step, -1), axis=-1)
        carried = np.take_along_axis(value, np.maximum(last, 0), axis=-1)
        since = np.log1p(step - last) / np.log1p(self.steps)
        parts = (np.where(last >= 0, carried, 0.0), observed, np.where(observed, 0.0, since))
        inputs: NDArray[np.float32] = np.concatenate(parts, axis=1).astype(np.float32)
        return inputs


def fit_gaps(x: NDArray[Any]) -> GapTransform:
    """Fits a `GapTransform` on signals `x`, shape (cases, channels, samples), NaN where not observed."""
    seen = np.isfinite(x)
    count = np.maximum(seen.sum((0, 2)), 1)
    known = np.where(seen, x, 0.0)
    mean = known.sum((0, 2), dtype=np.float64) / count
    square = np.where(seen, (x - mean[:, None]) ** 2, 0.0).sum((0, 2), dtype=np.float64) / count
    std = np.sqrt(square)
    never = ~seen.any((0, 2))
    return GapTransform(mean, np.where(never, np.inf, np.where(std > 1e-12, std, 1.0)), x.shape[-1])
