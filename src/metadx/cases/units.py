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
    2.205,  # kg, lb
    2.496,  # vitamin D: ng/mL, nmol/L
    2.54,  # inch, cm
    2.801,  # urea nitrogen: mmol/L, mg/dL
    4.008,  # calcium
    5.587,  # iron
    6.006,  # urea
    12.87,  # T4
    17.1,  # bilirubin
    18.016,  # glucose
    27.59,  # cortisol
    38.67,  # cholesterol
    59.48,  # uric acid
    65.1,  # T3
    88.42,  # creatinine
    88.57,  # triglycerides
    113.1,  # creatinine, mg/L
)
_CENTRAL = (0.01, 0.99)
_MIDDLE = (0.1, 0.9)
_MOST = 0.8
_WIDER = 1.5
_LEAST_ROWS = 3


class OddUnit(NamedTuple):
    """A column whose values lie outside those of training, until they are multiplied by a factor between units.

    Args:
        feature: its name.
        median: of its values.
        usual: the central 98 % of the training values.
        factor: what brings the values among the training values; others may too.
    """

    feature: str
    median: float
    usual: tuple[float, float]
    factor: float


def odd_units(inputs: Inputs, x: NDArray[Any]) -> list[OddUnit]:
    """Columns of `x`, shape (cases, features), that are most likely in another unit than in training.

    At least four values in five lie outside the central 98 % of training; a factor between units of laboratories
    brings four in five inside, and their median into the central 80 %. A disease moves values too, and new
    conditions are ill in ways that training did not show: the factor must be half as large again as the ratio of
    the ends of the central 98 %. A factor of two in a column that spans three is therefore never found. Three rows
    at least, since one patient may well be that extreme; columns that reach zero are not judged.
    """
    if not isinstance(inputs.transform, TableTransform):
        return []
    found = []
    for column, known in zip(inputs.transform.ranked, inputs.transform.sorted, strict=True):
        values = x[:, column][np.isfinite(x[:, column])]
        low, high = (float(q) for q in np.quantile(known, _CENTRAL))
        if len(values) < _LEAST_ROWS or low <= 0 or _inside(values, low, high) > 1 - _MOST:
            continue
        factor = _factor(values, known, low, high)
        if factor is not None:
            name = inputs.features[column]
            found.append(OddUnit(name, float(np.median(values)), (low, high), factor))
    return found


def _factor(values: NDArray[Any], known: NDArray[np.float64], low: float, high: float) -> float | None:
    """The factor that brings the values best among the known ones, if any does."""
    middle, (bottom, top) = np.median(known), np.quantile(known, _MIDDLE)
    fitting = [
        f
        for factor in _FACTORS
        for f in (factor, 1 / factor)
        if factor >= _WIDER * high / low
        and _inside(values * f, low, high) >= _MOST
        and bottom <= np.median(values * f) <= top
    ]
    return min(
        fitting,
        key=lambda f: (-_inside(values * f, low, high), abs(np.log(np.median(values * f) / middle))),
        default=None,
    )


def _inside(values: NDArray[Any], low: float, high: float) -> float:
    return float(np.mean((values >= low) & (values <= high)))
