"""Features seen through what differs between conditions rather than within one, learned on other conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metadx.cases.preprocess import PictureTransform
from metadx.errors import UserError

Array = NDArray[np.float32]

DIRECTIONS = 128
_PER_CONDITION = 60


@dataclass(frozen=True, eq=False)
class Whitened:
    """A backbone's features, standardised, and shrunk along the directions in which cases of one condition differ.

    Distances between whitened features are Mahalanobis distances under the pooled covariance within conditions,
    shrunk towards a multiple of the identity. It is what meta-training conditions of any kind tell about a new one:
    how much cases that are alike still differ, and in what.

    Args:
        base: the backbone.
        mean, scale: of its features, each of shape (features,).
        parts: how many features each part has that is brought to one length, in order; they add up to all.
        directions: orthonormal, shape (directions, features).
        kept: how much is kept of each direction, 0 to 1, shape (directions,).
    """

    name: ClassVar[str] = "whitened"

    base: PictureTransform
    mean: Array
    scale: Array
    parts: tuple[int, ...]
    directions: Array
    kept: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    @property
    def pictures(self) -> tuple[int, ...]:
        """(channels, height, width) of the pictures it takes."""
        return self.base.pictures

    def __call__(self, x: NDArray[Any]) -> Array:
        features = _even((self.base(x) - self.mean) / self.scale, self.parts)
        along = features @ self.directions.T
        return _unit(features + (along * (self.kept - 1)) @ self.directions)


def fit_whitening(
    base: PictureTransform, sets: Sequence[tuple[NDArray[Any], NDArray[np.int64]]], strength: float
) -> Whitened:
    """Learns a `Whitened` from the meta-training sets: every set counts alike, and in it every condition.

    Args:
        base: the backbone; features are a row per picture.
        sets: pictures and the condition of each, numbers from 0, for every set.
        strength: 0 leaves the features as they are; the greater it is, the less is kept of a direction in which
            cases of one condition differ. At 1, half the squared length is kept where they differ as much as in a
            direction on average.

    Raises:
        UserError: the backbone gives maps, or no condition has two cases.
    """
    if len(base.shape) != 1:
        raise UserError(
            f"data.whiten wants a backbone whose features are a row; {base.name} gives {base.shape}"
        )
    features = [base(x) for x, _ in sets]
    mean = np.mean([f.mean(0) for f in features], 0)
    scale = np.sqrt(np.mean([f.var(0) for f in features], 0) + 1e-8)
    parts = tuple(getattr(base, "parts", base.shape))
    rng = np.random.default_rng(0)
    within = [
        deviations
        for f, (_, y) in zip(features, sets, strict=True)
        if len(deviations := _within(_even((f - mean) / scale, parts), y, rng))
    ]
    if not within:
        raise UserError(
            "data.whiten learns from conditions with at least two meta-training cases; there is none"
        )
    rows = np.concatenate(within).astype(np.float64)
    rows /= np.sqrt((rows**2).sum() / rows.shape[1])  # a variance of 1 in a direction on average
    values, vectors = np.linalg.eigh(rows @ rows.T)
    most = np.argsort(values)[::-1][: min(DIRECTIONS, int((values > 1e-6 * values.max()).sum()))]
    directions = (rows.T @ vectors[:, most] / np.sqrt(values[most])).T
    return Whitened(
        base,
        mean.astype(np.float32),
        scale.astype(np.float32),
        parts,
        directions.astype(np.float32),
        (1 / np.sqrt(1 + strength * values[most])).astype(np.float32),
    )


def _within(features: Array, y: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Deviations from the mean of each condition, scaled so that their squares sum to the mean covariance."""
    rows = []
    for condition in np.unique(y):
        index = np.flatnonzero(y == condition)
        if len(index) < 2:
            continue
        own = features[rng.permutation(index)[:_PER_CONDITION]]
        rows.append((own - own.mean(0)) / np.sqrt(len(own) - 1))
    return np.concatenate(rows) / np.sqrt(len(rows)) if rows else features[:0]


def _even(features: NDArray[Any], parts: Sequence[int]) -> Array:
    """Every part brought to the same length, all together to the root of the number of features."""
    split = np.split(features, np.cumsum(parts)[:-1], axis=1)
    return _unit(np.concatenate([_unit(part) / np.sqrt(part.shape[1]) for part in split], 1))


def _unit(features: NDArray[Any]) -> Array:
    """Rows scaled to the root of their length: squared distances per feature are then cosines."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Array = (features / np.maximum(length, 1e-12) * features.shape[1] ** 0.5).astype(np.float32)
    return unit
