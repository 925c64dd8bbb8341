"""Features that alone give the label away, and splits that part patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cases.audit.making import pictures, table, vouched
from metadx.cases import Cases, Leak, audit_cases
from metadx.cases.audit.giveaway import told

CLEAN = table()


def give_aways(cases: Cases) -> list[Leak]:
    return [f for f in audit_cases(cases).leaks if f.kind == "give-away"]


def test_a_column_that_is_the_label() -> None:
    x = CLEAN.x.copy()
    x[:, 4] = CLEAN.y * 10 + np.random.default_rng(0).random(300)
    (found,) = give_aways(replace(CLEAN, x=x))
    assert found.severity == "serious"
    assert found.sentence.startswith("'lab 3' alone tells every condition")
    assert "before the diagnosis" in found.mend


def test_measured_only_in_the_ill() -> None:
    x = CLEAN.x.copy()
    x[CLEAN.y == 0, 4] = np.nan
    x[CLEAN.y == 1, 4] = np.arange((CLEAN.y == 1).sum())
    (found,) = give_aways(replace(CLEAN, x=x))
    assert found.sentence.startswith("'lab 3' alone")


def test_a_middle_range_gives_away_too() -> None:
    x = CLEAN.x.copy()
    rng = np.random.default_rng(0)
    x[:, 4] = np.where(
        CLEAN.y == 1, rng.uniform(4, 5, 300), rng.choice([-1, 1], 300) * rng.uniform(6, 9, 300)
    )
    assert len(give_aways(replace(CLEAN, x=x))) == 1


def test_one_of_many_conditions_is_a_notice(rng: np.random.Generator) -> None:
    y = rng.integers(0, 5, 300)
    x = CLEAN.x.copy()
    x[:, -1] = y == 2
    (found,) = give_aways(replace(CLEAN, x=x, y=y, classes=tuple("abcde")))
    assert found.severity == "notice"
    assert "alone tells 'c'" in found.sentence
    assert set(found.cases) == set(np.flatnonzero(y == 2).tolist())


def test_a_good_predictor_is_no_leak(rng: np.random.Generator) -> None:
    x = CLEAN.x.copy()
    x[:, 4] = CLEAN.y * 2 + rng.normal(0, 1, 300)
    assert give_aways(replace(CLEAN, x=x)) == []


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_columns_and_few_cases_are_judged_by_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wide = table(14, x=rng.normal(size=(14, 1500)), features=(), y=np.arange(14) * 5 % 7 % 2)
    assert give_aways(wide) == []


def test_many_such_features_are_one_notice(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 60)
    wide = table(60, x=rng.normal(size=(60, 40)) + 9 * y[:, None] * (np.arange(40) < 10), features=(), y=y)
    (found,) = give_aways(wide)
    assert found.severity == "notice"
    assert found.sentence.startswith("10 features each tell a condition alone")


def test_the_site_gives_the_label_away() -> None:
    site = np.where(CLEAN.y == 1, "clinic", "screening")
    (found,) = give_aways(replace(CLEAN, site=site))
    assert found.severity == "serious"
    assert found.sentence.startswith("The site alone")


def test_rows_sorted_by_label_are_a_notice() -> None:
    (found,) = give_aways(CLEAN.select(np.argsort(CLEAN.y, kind="stable")))
    assert found.severity == "notice"
    assert found.sentence.startswith("The order of the rows")


def test_the_brightness_of_pictures() -> None:
    clean = pictures()
    dark = np.where(clean.y[:, None, None, None] == 1, clean.x // 2, clean.x).astype(np.uint8)
    found = give_aways(replace(clean, x=dark))
    assert found
    assert all(f.severity == "notice" for f in found)


def test_told_leaves_the_case_itself_out() -> None:
    value = np.asarray([1.0, 1.0, 1.0, 5.0, 5.0, np.nan, np.nan])
    label = np.asarray([0, 0, 1, 1, 1, 0, 0])
    guess = told(value, label, 2)
    assert guess[0] == 0
    assert guess[5] == guess[6] == 0
    assert told(np.asarray([1.0, np.nan]), np.asarray([0, 1]), 2).tolist() == [-1, -1]


def test_a_patient_in_two_splits() -> None:
    clean = pictures(12)
    name = np.asarray([f"{'train' if at % 3 else 'test'}/{at}.png" for at in range(12)])
    patient = np.asarray([f"p{at // 2}" for at in range(12)])
    cases = replace(clean, name=name, patient=patient)
    (found,) = (f for f in audit_cases(cases).leaks if f.kind == "split")
    assert found.severity == "serious"
    assert found.sentence.startswith("4 of 6 patients")
    assert found.patients == ("p0", "p1", "p3", "p4")
    alone = replace(cases, patient=clean.patient)
    assert not [f for f in audit_cases(alone).leaks if f.kind == "split"]
    assert not [f for f in audit_cases(vouched(cases)).leaks if f.kind == "split"]


def test_names_without_splits_declare_none() -> None:
    cases = replace(pictures(12), name=np.asarray([f"benign/{at}.png" for at in range(12)]))
    assert any("no splits" in sentence for sentence in audit_cases(cases).unchecked)
