"""How early a beat comes: ratios of its intervals to those before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RHYTHM = ("interval / recent", "next interval / recent", "interval / interval before", "interval / long run")
_RECENT, _LONG = 10, 300
_LIMIT = 1.5


def rhythm(seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Four logarithms of ratios of RR intervals per beat, shape (beats, 4), within -1.5 to 1.5.

    "Recent" is the median of the ten intervals before this one, "long run" that of up to 300: nothing but the
    next beat is later than the beat itself. Where an interval is not known the logarithm is 0.

    Args:
        seconds: when each beat of one recording came, ascending, shape (beats,).
    """
    count = len(seconds)
    interval = np.full(count + 1, np.nan)
    interval[1:count] = np.diff(seconds)
    interval = np.where(interval > 0, interval, np.nan)
    own, following, before = interval[:count], interval[1:], np.r_[np.nan, interval[: count - 1]][:count]
    recent, long = (_running_median(own, width) for width in (_RECENT, _LONG))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.log(np.stack([own / recent, following / recent, own / before, own / long], axis=1))
    limited: NDArray[np.float32] = np.clip(np.nan_to_num(ratios), -_LIMIT, _LIMIT).astype(np.float32)
    return limited


def _running_median(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The median of up to `width` values before each one, NaN where there are none."""
    if not len(values):
        return values
    padded = np.concatenate([np.full(width, np.nan), values[:-1]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[: len(values)]
    known = np.isfinite(windows).any(1)
    median = np.full(len(values), np.nan)
    median[known] = np.nanmedian(windows[known], axis=1)
    return median
