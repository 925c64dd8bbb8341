"""Columns in another unit are named; patients who are ill are not taken for another unit."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadx.cases import Cases, Inputs, fit_table, load, odd_units
from metadx.cases.preprocess import Pixels
from metadx.cases.units import _FACTORS
from metadx.studies import build_problem, parse_recipe

ROWS = 300


def trained(spread: float = 0.15) -> Inputs:
    """Columns about 5 and about 100, whose central 98 % span a factor of two, and one that crosses zero."""
    rng = np.random.default_rng(0)
    columns = (
        5 * rng.lognormal(0, spread, ROWS),
        100 * rng.lognormal(0, spread, ROWS),
        rng.normal(size=ROWS),
    )
    x = np.column_stack(columns)
    return Inputs("table", ("glucose", "creatinine", "z"), fit_table(x))


@given(st.integers(0, 1), st.sampled_from(_FACTORS), st.booleans(), st.integers(3, 12), st.integers(0, 10**6))
def test_a_column_in_another_unit_is_named(
    column: int, factor: float, up: bool, rows: int, seed: int
) -> None:
    inputs, rng = trained(), np.random.default_rng(seed)
    x = np.column_stack([rng.choice(known[30:-30], rows) for known in inputs.transform.sorted])  # type: ignore[attr-defined]
    assert odd_units(inputs, x) == []
    x[:, column] *= factor if up else 1 / factor
    found = odd_units(inputs, x)
    if factor < 4:
        return  # a disease could move the values as far
    assert [odd.feature for odd in found] == [inputs.features[column]]
    back = x[:, column] * found[0].factor
    low, high = found[0].usual
    assert np.mean((back >= low) & (back <= high)) >= 0.8
    assert found[0].median == np.median(x[:, column])


@given(st.integers(3, 40), st.integers(0, 10**6))
def test_rows_of_the_training_raise_no_alarm(rows: int, seed: int) -> None:
    inputs, cases = _thyroid()
    at = np.random.default_rng(seed).choice(9172, rows, replace=False)
    assert odd_units(inputs, cases.x[at]) == []


@functools.cache
def _thyroid() -> tuple[Inputs, Cases]:
    data = {"name": "thyroid", "split": {"share": [3, 3, 5]}}
    problem = build_problem(parse_recipe({"data": data, "algorithm": {"name": "maml"}}))
    assert problem.inputs is not None
    return problem.inputs, load("thyroid")


def test_five_patients_of_one_diagnosis_rarely_raise_an_alarm() -> None:
    """Such a set is a shifted population: only patients whom the disease moved."""
    (inputs, cases), rng = _thyroid(), np.random.default_rng(0)
    diagnoses = [np.flatnonzero(cases.y == y) for y in range(len(cases.classes))]
    diagnoses = [rows for rows in diagnoses if len(rows) >= 5]
    drawn = [rng.choice(diagnoses[i % len(diagnoses)], 5, replace=False) for i in range(1300)]
    alarms = sum(bool(odd_units(inputs, cases.x[rows])) for rows in drawn)
    assert alarms < 0.01 * len(drawn)


@pytest.mark.parametrize(("lab", "factor"), [("TT4", 12.87), ("T4U", 100), ("FTI", 12.87), ("T3", 65.1)])
def test_thyroid_labs_in_the_other_unit(lab: str, factor: float) -> None:
    (inputs, cases), rng = _thyroid(), np.random.default_rng(0)
    column = cases.features.index(lab)
    measured = np.flatnonzero(np.isfinite(cases.x[:, column]))
    found = 0
    for _ in range(50):
        x = cases.x[rng.choice(measured, 10, replace=False)]
        x[:, column] /= factor
        found += lab in [odd.feature for odd in odd_units(inputs, x)]
    assert found >= 45


def test_two_rows_and_pictures_are_not_judged() -> None:
    inputs = trained()
    assert odd_units(inputs, np.asarray([[5000.0, 1, 0]] * 2)) == []
    assert odd_units(inputs, np.asarray([[5000.0, np.nan, 0]] * 2 + [[np.nan] * 3] * 9)) == []
    assert odd_units(Inputs("image", (), Pixels((1, 2, 2))), np.zeros((9, 1, 2, 2), np.uint8)) == []
