"""Columns that look as if they were measured in another unit than the cases a model was trained on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.inputs import Inputs
from metadx.cases.preprocess import TableTransform

_FACTORS = (
    10.0,
    100.0,
    1000.0,
    1e6,
    18.016,
    38.67,
    88.42,
    88.57,
    17.1,
    2.496,
    4.006,
    113.1,
    12.87,
    2.54,
    2.205,
)
_CENTRAL = (0.01, 0.99)
_MOST = 0.8
_LEAST_ROWS = 3


class OddUnit(NamedTuple):
    """A column whose values lie outside those of training, until they are multiplied by a factor between units.

    Args:
        feature: its name.
        median: of its values.
        usual: the central 98 % of the training values.
        factor: what brings the values among the training values.
    """

    feature: str
    median: float
    usual: tuple[float, float]
    factor: float


def odd_units(inputs: Inputs, x: NDArray[Any]) -> list[OddUnit]:
    """Columns of `x`, shape (cases, features), that are most likely in another unit than in training.

    Four values in five lie outside the central 98 % of training, and inside once converted by a factor between
    units of laboratories; three rows at least, since one patient may well be that extreme.
    """
    if not isinstance(inputs.transform, TableTransform):
        return []
    found = []
    for column, known in zip(inputs.transform.ranked, inputs.transform.sorted, strict=True):
        values = x[:, column][np.isfinite(x[:, column])]
        if len(values) < _LEAST_ROWS:
            continue
        low, high = (float(q) for q in np.quantile(known, _CENTRAL))
        if _inside(values, low, high) > 1 - _MOST:
            continue
        factors = [f for factor in _FACTORS for f in (factor, 1 / factor)]
        best = max(factors, key=lambda f: (_inside(values * f, low, high), -abs(np.log(f))))
        if _inside(values * best, low, high) >= _MOST:
            name = inputs.features[column]
            found.append(OddUnit(name, float(np.median(values)), (low, high), best))
    return found


def _inside(values: NDArray[Any], low: float, high: float) -> float:
    return float(np.mean((values >= low) & (values <= high)))
