"""How alike two cases must be before chance no longer explains it: a bound that the data themselves set."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PAIRS_PER_CASE = 3e-3
"""Pairs of unrelated cases, per case, that may pass by chance: some 0.6 % of cases are then named wrongly."""

_NEAR, _FAR = 0.5, 5.0
"""Pairs per case at the two points of the tail between which its slope is taken."""


class Tail(NamedTuple):
    """The upper tail of a score over pairs of unrelated cases.

    Args:
        bound: the score that chance is expected to exceed in `passing` pairs.
        passing: a number of pairs, usually far below one.
        fall: of the log of that number, per unit of score.
    """

    bound: float
    passing: float
    fall: float

    def expected(self, score: float) -> float:
        """How many pairs of unrelated cases are expected to reach the score, in all of the data."""
        return self.passing * math.exp(min(self.fall * (self.bound - score), 500.0))


def fit_tail(sample: NDArray[np.floating], cases: int, *, steepest: float) -> Tail:
    """The tail of a score, read off randomly chosen pairs.

    Nearly all pairs are unrelated, so the pairs themselves show what chance does. The slope of the log tail is
    taken where half a pair to five pairs per case lie above, and carried on to the few pairs that may pass. Columns
    that move together, or pictures that are all alike, thereby raise the bound.

    Args:
        sample: scores of randomly chosen pairs; the tail of such a score falls exponentially.
        cases: how many cases there are.
        steepest: the slope if all parts of the score were independent; the tail is never taken to be steeper.
    """
    every = cases * (cases - 1) / 2
    passing = PAIRS_PER_CASE * cases
    near = min(max(_NEAR * cases / every, 10 / len(sample)), 0.25)
    far = min(near * _FAR / _NEAR, 0.5)
    low, high = np.quantile(sample, (1 - far, 1 - near))
    fall = min(math.log(far / near) / max(float(high - low), 1e-9), steepest)
    return Tail(float(high) + max(math.log(near * every / passing), 0.0) / fall, passing, fall)
