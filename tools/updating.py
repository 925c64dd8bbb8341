"""What `measure_clinical.py` compares and how: a model of other sites, updated with a few cases of a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
METRICS = {"auroc": True, "auprc": True, "brier": False, "log_loss": False, "accuracy": True}
"""Metrics, and whether higher is better."""
_CLIP = 1e-6


def penalised(features: Array, y: Array, offset: Array, precision: Array, steps: int = 60) -> Array:
    """Weights w that minimise cross-entropy of offset + features w, plus half of precision w^2: Newton, halved."""
    w = np.zeros(features.shape[1])

    def objective(w: Array) -> float:
        z = offset + features @ w
        return float(np.logaddexp(0, z).sum() - y @ z + 0.5 * precision @ w**2)

    value = objective(w)
    for _ in range(steps):
        p = expit(offset + features @ w)
        gradient = features.T @ (p - y) + precision * w
        spread = p * (1 - p) + 1e-9
        if len(features) < features.shape[1]:
            scaled = features / precision
            inner = np.linalg.solve(np.diag(1 / spread) + scaled @ features.T, scaled @ gradient)
            step = gradient / precision - scaled.T @ inner
        else:
            step = np.linalg.solve((features * spread[:, None]).T @ features + np.diag(precision), gradient)
        scale, after = 1.0, objective(w - step)
        while after > value and scale > 1e-4:
            scale /= 2
            after = objective(w - scale * step)
        w = w - scale * step
        if value - after < 1e-7:
            break
        value = after
    return w


def others(x: Array, y: Array, site: NDArray[np.str_], c: float) -> Array:
    """Weights of a 1 and the columns of x, from several sites with an intercept each, which a new site lacks."""
    own = (site[:, None] == np.unique(site)).astype(float)
    features = np.concatenate([np.ones((len(x), 1)), x, own], axis=1)
    precision = np.concatenate([[1e-3], np.full(x.shape[1], 1 / c), np.ones(own.shape[1])])
    return penalised(features, y, np.zeros(len(y)), precision)[: 1 + x.shape[1]]


def recalibrated(z: Array, y: Array, intercept: float, slope: float) -> Callable[[Array], Array]:
    """Logits to logits: a new intercept and slope, both drawn towards leaving them as they are."""
    w = penalised(np.c_[np.ones(len(z)), z], y, z, np.array([intercept, slope]))
    return lambda other: other + w[0] + w[1] * other


def moved(
    x: Array, z: Array, y: Array, intercept: float, slope: float, feature: float
) -> Callable[[Array, Array], Array]:
    """Logits of a new site: recalibrated, and every weight moved, drawn towards the others' weights."""
    features = np.c_[np.ones(len(z)), z, x]
    precision = np.concatenate([[intercept, slope], np.full(x.shape[1], feature)])
    w = penalised(features, y, z, precision)
    return lambda other_x, other_z: other_z + np.c_[np.ones(len(other_z)), other_z, other_x] @ w


class Draw(NamedTuple):
    """Case numbers of the few cases a site has labelled, and of all its others."""

    support: NDArray[np.int64]
    query: NDArray[np.int64]


@dataclass(frozen=True)
class Foreseen:
    """Probabilities of one method at one site.

    Args:
        p: shape (draws, cases of the site), NaN where the case was in the draw's support.
        y: 0 or 1, shape (cases of the site,).
    """

    p: Array
    y: Array

    def mean(self, metric: str) -> float:
        """The metric of each draw's other cases, averaged over draws."""
        return float(np.mean(self._each(metric, np.ones(len(self.y)), self._order(metric))))

    def resampled(self, metric: str, weights: Array, draws: NDArray[np.int64]) -> Array:
        """The mean metric of each resample; weights of the cases, shape (resamples, cases), and draws alike."""
        order = self._order(metric)
        return np.array([self._each(metric, w, order)[d].mean() for w, d in zip(weights, draws, strict=True)])

    def _order(self, metric: str) -> Order | None:
        """Each draw's cases from the most to the least probable, and where cases alike begin and end."""
        if metric not in ("auroc", "auprc"):
            return None
        p = np.where(np.isfinite(self.p), self.p, 0.5)
        order = np.argsort(-p, axis=-1, kind="stable")
        ranked = np.take_along_axis(p, order, -1)
        at = np.arange(p.shape[-1])
        new = np.diff(ranked, axis=-1, prepend=np.nan) != 0
        first = np.maximum.accumulate(np.where(new, at, 0), axis=-1)
        ends = np.concatenate([new[:, 1:], np.ones((len(p), 1), dtype=bool)], axis=-1)
        last = np.minimum.accumulate(np.where(ends, at, p.shape[-1])[:, ::-1], axis=-1)[:, ::-1]
        return Order(order, first, last)

    def _each(self, metric: str, weight: Array, order: Order | None) -> Array:
        known = np.isfinite(self.p)
        w = np.where(known, weight, 0.0)
        if order is not None:
            return _ranked(self.y, w, order, metric)
        p = np.clip(np.where(known, self.p, 0.5), _CLIP, 1 - _CLIP)
        loss = {
            "brier": (p - self.y) ** 2,
            "log_loss": -np.where(self.y == 1, np.log(p), np.log1p(-p)),
            "accuracy": ((p > 0.5) == self.y).astype(float),
        }[metric]
        return np.asarray((loss * w).sum(1) / w.sum(1))


class Order(NamedTuple):
    """Places of cases from the most to the least probable, and of the first and last of those with an equal one."""

    order: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def _ranked(y: Array, w: Array, order: Order, metric: str) -> Array:
    """Area under the ROC curve, ties halved, or average precision, ties taken together, by row."""
    weight, label = np.take_along_axis(w, order.order, -1), y[order.order]
    yes, no = weight * label, weight * (1 - label)
    hits, misses = np.cumsum(yes, -1), np.cumsum(no, -1)
    total = np.maximum(hits[:, -1], 1e-12)
    up_to = np.take_along_axis(misses, order.last, -1)
    if metric == "auprc":
        found = np.take_along_axis(hits, order.last, -1)
        return np.asarray((yes * found / np.maximum(found + up_to, 1e-12)).sum(-1) / total)
    before = np.take_along_axis(misses - no, order.first, -1)
    below = misses[:, -1:] - (before + up_to) / 2
    return np.asarray((yes * below).sum(-1) / np.maximum(total * misses[:, -1], 1e-12))


class Estimate(NamedTuple):
    """A value with its 95 % interval over draws and patients together."""

    value: float
    low: float
    high: float


def estimates(
    found: dict[str, Foreseen], metric: str, pairs: Sequence[tuple[str, str]] = (), resamples: int = 300
) -> dict[Any, Estimate]:
    """The mean metric of every method, and how much better the first of each pair is, on the same resamples.

    Draws of the support set and patients of the site are both resampled, with replacement, so that an interval
    speaks of other patients of such a site, not only of other draws among these.
    """
    rng = np.random.default_rng(0)
    any_one = next(iter(found.values()))
    draws, cases = any_one.p.shape
    weights = rng.multinomial(cases, np.full(cases, 1 / cases), resamples).astype(float)
    chosen = rng.integers(0, draws, (resamples, draws))
    value = {name: one.mean(metric) for name, one in found.items()}
    again = {name: one.resampled(metric, weights, chosen) for name, one in found.items()}
    out: dict[Any, Estimate] = {name: _estimate(value[name], again[name]) for name in found}
    sign = 1.0 if METRICS[metric] else -1.0
    for a, b in pairs:
        out[a, b] = _estimate(sign * (value[a] - value[b]), sign * (again[a] - again[b]))
    return out


def _estimate(value: float, again: Array) -> Estimate:
    low, high = value + np.percentile(again, [2.5, 97.5]) - again.mean()
    return Estimate(value, float(low), float(high))
