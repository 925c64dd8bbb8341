"""Samples at any times, brought to an even grid without inventing any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError

LONGEST = 100_000
"""Steps of a grid, at most."""

_COARSER = 2.0


def on_grid(
    name: str,
    time: NDArray[np.float64],
    values: Sequence[NDArray[np.float64]],
    step: float,
    duration: float,
    how: Literal["mean", "line"] = "mean",
    gap: float | None = None,
) -> NDArray[np.float64]:
    """Channels on a grid of `step` from the first time on, `duration` long, shape (channels, steps).

    Args:
        name: what to name in an error.
        time: ascending, shape (rows,).
        values: of each channel, NaN where missing, each of shape (rows,).
        step, duration: in the unit of `time`.
        how: "mean" of the samples in [k step, (k + 1) step), NaN where there are none; "line" between the known
            samples on both sides of k step, at most `gap` apart, NaN elsewhere.
        gap: for "line"; three steps by default.

    Raises:
        UserError: a grid more than twice as coarse as the samples for "line", where what is faster than the grid
            would appear as something slower; or another `how`.
    """
    if how not in ("mean", "line"):
        raise UserError(f"how='{how}': give 'mean' or 'line'.")
    since = time - time[0]
    steps = max(1, int(np.ceil(duration / step - 1e-9)))
    if how == "mean":
        return np.stack([_means(since, channel, step, steps) for channel in values])
    widest = 3 * step if gap is None else gap
    return np.stack([_line(name, since, channel, step, steps, widest) for channel in values])


def _means(
    since: NDArray[np.float64], value: NDArray[np.float64], step: float, steps: int
) -> NDArray[np.float64]:
    at = np.floor(since / step + 1e-9)
    used = np.isfinite(value) & (at < steps)
    index = at[used].astype(np.int64)
    count = np.bincount(index, minlength=steps)
    total = np.bincount(index, value[used], minlength=steps)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _line(
    name: str,
    since: NDArray[np.float64],
    value: NDArray[np.float64],
    step: float,
    steps: int,
    widest: float,
) -> NDArray[np.float64]:
    known = np.isfinite(value)
    if not known.any():
        return np.full(steps, np.nan)
    moments, first = np.unique(since[known], return_index=True)
    samples = value[known][first]
    apart = float(np.median(np.diff(moments))) if len(moments) > 1 else step
    if step > _COARSER * apart:
        raise UserError(
            f"{name}: samples {apart:g} apart on a grid of {step:g} would show what is faster as something slower. "
            "Use how='mean', or a finer step."
        )
    grid = np.arange(steps) * step
    right = np.searchsorted(moments, grid - 1e-9 * step, "left")
    left = np.searchsorted(moments, grid + 1e-9 * step, "right") - 1
    inside = (left >= 0) & (right < len(moments))
    span = np.full(steps, np.inf)
    span[inside] = moments[right[inside]] - moments[left[inside]]
    return np.where(span <= widest * (1 + 1e-9), np.interp(grid, moments, samples), np.nan)
