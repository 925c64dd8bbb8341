"""From evidence to outcome: a small regression on replays, and intervals from its errors on conditions left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

COVERAGE = 0.8
_PENALTY = 1.0

Array = NDArray[np.float64]


class Known(NamedTuple):
    """Conditions of replays to learn from, one a row.

    Args:
        features: what was known beforehand, shape (rows, features).
        outcome: how it went at each moment, in log-odds above chance, shape (rows, moments).
        conditions: the condition that each row is about.
    """

    features: Array
    outcome: Array
    conditions: Sequence[str]


class Range(NamedTuple):
    """An expected value with the interval that is to hold the truth in 80 % of cases."""

    value: float
    low: float
    high: float


class Foreseen(NamedTuple):
    """Shares of right diagnoses at each moment, and how much each is above that of the first moment."""

    shares: tuple[Range, ...]
    gains: tuple[Range, ...]


def above_chance(share: Array, total: Array | float, ways: int) -> Array:
    """A share of right diagnoses among `total` in log-odds, 0 at chance whatever the number of ways.

    If a case's true condition leads every other by z, its probability is e^z / (e^z + ways - 1). Shares are drawn
    towards chance, as by one more case.
    """
    smooth = (share * total + 1 / ways) / (total + 1)
    return np.asarray(np.log(smooth / (1 - smooth)) + np.log(ways - 1))


def share_of(z: Array, total: float, ways: int) -> Array:
    """The share of right diagnoses among `total` that lies `z` above chance."""
    odds = np.exp(z) / (ways - 1)
    return np.clip((odds / (1 + odds) * (total + 1) - 1 / ways) / total, 0, 1)


def foresee(known: Known, features: Array, share: Callable[[Array], Array]) -> Foreseen:
    """What to expect of new conditions.

    Replays of one condition are no independent witnesses. So the errors counted are those on each condition, of a
    regression on the others; and their quantiles are widened as Student's t is wider than the normal distribution,
    with a witness for each condition.

    Args:
        features: of the new conditions, shape (features,).
        share: turns log-odds above chance into shares.
    """
    expected = _expect(_fit(known.features, known.outcome), features[None])[0]
    told, came = _left_out(known)
    wider = _widening(len(set(known.conditions)))

    def interval(errors: Array) -> tuple[float, float]:
        low, high = wider * np.quantile(errors, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        return min(0.0, float(low)), max(0.0, float(high))

    shares, gains = [], []
    for at, z in enumerate(expected):
        low, high = interval(came[:, at] - told[:, at])
        shares.append(Range(*(float(v) for v in share(np.array([z, z + low, z + high])))))
        errors = share(came[:, at]) - share(came[:, 0]) - share(told[:, at]) + share(told[:, 0])
        low, high = interval(errors)
        gain = float(share(expected)[at] - share(expected)[0])
        gains.append(Range(gain, gain + low, gain + high))
    return Foreseen(tuple(shares), tuple(gains))


def _widening(witnesses: int) -> float:
    """How much wider an interval must be that rests on few witnesses; 1 with ever so many."""
    end = (1 + COVERAGE) / 2
    return float(stats.t.ppf(end, witnesses) / stats.norm.ppf(end) * np.sqrt(1 + 1 / witnesses))


def _left_out(known: Known) -> tuple[Array, Array]:
    """What was expected and what came of each condition, expected from the others."""
    names = np.asarray(known.conditions)
    told, came = [], []
    for name in np.unique(names):
        about = names == name
        told.append(_expect(_fit(known.features[~about], known.outcome[~about]), known.features[about]))
        came.append(known.outcome[about])
    return np.concatenate(told), np.concatenate(came)


class _Line(NamedTuple):
    centre: Array
    scale: Array
    weights: Array
    mean: Array


def _fit(features: Array, outcome: Array) -> _Line:
    """Ridge regression on standardised features; one that never varies has no say."""
    scale = features.std(0)
    scale = np.where(scale > 1e-9, scale, np.inf)
    centre, mean = features.mean(0), outcome.mean(0)
    x = (features - centre) / scale
    weights = np.linalg.solve(x.T @ x + _PENALTY * np.eye(x.shape[1]), x.T @ (outcome - mean))
    return _Line(centre, scale, weights, mean)


def _expect(line: _Line, features: Array) -> Array:
    return np.asarray(line.mean + (features - line.centre) / line.scale @ line.weights)
