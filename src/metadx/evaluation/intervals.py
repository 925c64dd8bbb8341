"""95 % intervals over episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats


class Interval(NamedTuple):
    """An estimate with its 95 % interval and the number of episodes behind it."""

    value: float
    low: float
    high: float
    n: int


def mean_interval(values: NDArray[Any]) -> Interval:
    """The mean over episodes with its Student t interval; episodes where the metric is undefined are left out.

    An infinite value, the error of a method that diverged, stays: the mean is then infinite too.
    """
    kept = np.asarray(values, dtype=float)
    kept = kept[~np.isnan(kept)]
    n = len(kept)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    with np.errstate(invalid="ignore"):
        mean = float(kept.mean())
    if n == 1 or not np.isfinite(mean):
        return Interval(mean, float("nan"), float("nan"), n)
    half = float(stats.t.ppf(0.975, n - 1) * kept.std(ddof=1) / n**0.5)
    return Interval(mean, mean - half, mean + half, n)


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float], n: int, resamples: int = 200, seed: int = 0
) -> Interval:
    """A statistic of a set of episodes with its bootstrap interval, centred on the statistic itself.

    Centred, because a resample repeats episodes, which biases statistics such as the calibration error upwards.

    Args:
        statistic: of the episodes with the given numbers, which may repeat.
        n: number of episodes.
    """
    rng = np.random.default_rng(seed)
    draws = [statistic(rng.integers(0, n, n)) for _ in range(resamples)]
    value = statistic(np.arange(n))
    low, high = value + np.percentile(draws, [2.5, 97.5]) - np.mean(draws)
    return Interval(value, float(low), float(high), n)
