"""Folds hold whole patients, copies of patients stay together, and conditions are dealt out evenly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadx.cases import Cases, Provenance, audit_cases
from metadx.studies.own.folds import deal_folds, linked_patients


def cases(seed: int = 0, n: int = 60) -> Cases:
    rng = np.random.default_rng(seed)
    return Cases(
        x=rng.normal(size=(n, 6)),
        y=np.arange(n) % 3,
        patient=np.asarray([f"p{i // 2}" for i in range(n)]),
        classes=("a", "b", "c"),
        modality="table",
        provenance=Provenance("made up"),
        features=tuple("uvwxyz"),
    )


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 999), folds=st.integers(2, 6), people=st.integers(6, 40), classes=st.integers(1, 4)
)
def test_nobody_is_in_two_folds_and_folds_are_even(seed: int, folds: int, people: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    person = rng.integers(0, people, 90)
    y = rng.integers(0, classes, 90)
    part = deal_folds(y, person, folds, seed)
    assert part.min() >= 0
    assert part.max() < folds
    for who in np.unique(person):
        assert len(np.unique(part[person == who])) == 1
    counts = np.bincount([part[person == who][0] for who in np.unique(person)], minlength=folds)
    assert counts.max() - counts.min() <= classes + 1


def test_conditions_are_dealt_out_in_equal_shares() -> None:
    y = np.repeat([0, 1], [40, 10])
    part = deal_folds(y, np.arange(50), 5, 0)
    assert [int((y[part == k] == 1).sum()) for k in range(5)] == [2] * 5


def test_copies_of_a_patient_count_as_that_patient() -> None:
    plain = cases()
    copied = plain.x.copy()
    copied[11] = copied[40]
    found = audit_cases(replace(plain, x=copied))
    number = linked_patients(replace(plain, x=copied), found)
    assert number[11] == number[40]
    assert len(np.unique(number)) == 29
    assert len(np.unique(linked_patients(plain, audit_cases(plain)))) == 30


def test_equal_rows_that_chance_allows_are_no_copies() -> None:
    coarse = replace(
        cases(), x=np.random.default_rng(0).integers(0, 3, (60, 1)).astype(float), features=("grade",)
    )
    assert len(np.unique(linked_patients(coarse, audit_cases(coarse)))) == 30


def test_equal_seeds_give_equal_folds() -> None:
    y, person = np.arange(30) % 2, np.arange(30)
    assert np.array_equal(deal_folds(y, person, 5, 3), deal_folds(y, person, 5, 3))
    assert not np.array_equal(deal_folds(y, person, 5, 3), deal_folds(y, person, 5, 4))


@pytest.mark.parametrize("folds", [2, 5])
def test_every_fold_is_used(folds: int) -> None:
    assert len(np.unique(deal_folds(np.arange(20) % 2, np.arange(20), folds, 0))) == folds
