"""How early a beat comes: ratios of its intervals to those before it, and how irregular these were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RHYTHM = (
    "interval / recent",
    "next interval / recent",
    "interval / interval before",
    "interval / long run",
    "interval / recent, in spreads",
    "irregularity",
)
_RECENT, _LONG, _IRREGULAR = 10, 300, 30
_LIMIT, _FEW, _FLOOR = 1.5, 3.0, 0.02


def rhythm(seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Four logarithms of ratios of RR intervals per beat, and two measures of irregularity, shape (beats, 6).

    "Recent" is the median of the ten intervals before this one, "long run" that of up to 300: nothing but the
    next beat is later than the beat itself. Where an interval is not known the logarithm is 0; it is within -1.5
    to 1.5. The spread is the median distance of the last 30 intervals from what was recent before each, in
    logarithms: in atrial fibrillation every interval differs from the one before, and an early beat is nothing
    special. Five spreads are 1, and three is the limit. Irregularity is half the logarithm of the median
    change from one interval to the next over the last 30, plus 1.

    Args:
        seconds: when each beat of one recording came, ascending, shape (beats,).
    """
    count = len(seconds)
    interval = np.full(count + 1, np.nan)
    interval[1:count] = np.diff(seconds)
    interval = np.log(np.where(interval > 0, interval, np.nan))
    own, following, before = interval[:count], interval[1:], np.r_[np.nan, interval[: count - 1]][:count]
    recent, long = (_of_those_before(own, width) for width in (_RECENT, _LONG))
    early = own - recent
    ratios = np.stack([early, following - recent, own - before, own - long], axis=1)
    spread = _of_those_before(np.abs(early), _IRREGULAR)
    change = _of_those_before(np.abs(own - before), _IRREGULAR)
    irregular = np.stack([early / (spread + _FLOOR) / 5, np.log(change + _FLOOR / 2) / 2 + 1], axis=1)
    limits = np.repeat([_LIMIT, _FEW], [4, 2])
    found = np.nan_to_num(np.concatenate([ratios, irregular], axis=1))
    limited: NDArray[np.float32] = np.clip(found, -limits, limits).astype(np.float32)
    return limited


def _of_those_before(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The median of up to `width` values before each one, NaN where none is known."""
    if not len(values):
        return values
    padded = np.concatenate([np.full(width, np.nan), values[:-1]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[: len(values)]
    known = np.isfinite(windows).any(1)
    median = np.full(len(values), np.nan)
    median[known] = np.nanmedian(windows[known], axis=1)
    return median
