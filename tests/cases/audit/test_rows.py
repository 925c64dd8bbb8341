"""Copies among the rows of a table, and what chance makes of rows that agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.audit.making import plus, table, vouched
from metadx.cases import Cases, Leak, audit_cases
from metadx.cases.audit.agreement import code_columns

CLEAN = table()
COMPLETE = np.flatnonzero(np.isfinite(CLEAN.x).all(axis=1)).tolist()


def about(leaks: tuple[Leak, ...], *members: int) -> list[Leak]:
    """The leaks that list all of these cases."""
    return [leak for leak in leaks if set(members) <= set(leak.cases)]


@pytest.mark.parametrize("seed", range(5))
def test_unrelated_patients_are_left_alone(seed: int) -> None:
    assert audit_cases(table(seed=seed)).leaks == ()


@settings(max_examples=30)
@given(st.integers(0, 299))
def test_an_equal_row_under_a_second_id_is_found(at: int) -> None:
    cases = plus(CLEAN, CLEAN.x[at], at=at)
    (found,) = audit_cases(cases).leaks
    assert (found.kind, found.severity, found.cases) == ("two ids", "serious", (at, 300))
    assert found.names == (f"row {at + 1}", "row 301")
    assert found.patients == (f"p{at}", "copy")
    assert f"equal in all {np.isfinite(CLEAN.x[at]).sum()} recorded values" in found.sentence


@settings(max_examples=40)
@given(st.sampled_from(COMPLETE), st.integers(0, 2**32 - 1))
def test_a_second_visit_under_a_second_id_is_found(at: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    row = CLEAN.x[at].copy()
    few = rng.choice(np.arange(1, 9), 2, replace=False)
    row[few] = (row[few] * rng.uniform(0.7, 1.4, 2)).round(2)
    found = about(audit_cases(plus(CLEAN, row, at=at)).leaks, at, 300)
    assert [f.kind for f in found] == ["two ids"]
    assert "chance would give" in found[0].sentence


def test_rounded_values_are_found() -> None:
    cases = plus(CLEAN, CLEAN.x[5].round(1), at=5)
    assert [f.kind for f in about(audit_cases(cases).leaks, 5, 300)] == ["two ids"]


def test_an_equal_row_of_the_same_patient_is_a_notice() -> None:
    cases = plus(CLEAN, CLEAN.x[3], patient="p3", at=3)
    (found,) = audit_cases(cases).leaks
    assert (found.kind, found.severity) == ("duplicate", "notice")


def test_without_patient_ids_a_copy_is_a_duplicate() -> None:
    found = audit_cases(vouched(plus(CLEAN, CLEAN.x[3], at=3)))
    assert [(f.kind, f.severity) for f in found.leaks] == [("duplicate", "serious")]
    assert found.patients is None
    assert any("no patient ids" in sentence for sentence in found.unchecked)


def test_a_copy_with_another_label_is_a_conflict() -> None:
    cases = plus(CLEAN, CLEAN.x[3], y=1 - int(CLEAN.y[3]), at=3)
    found = audit_cases(cases).leaks
    assert {(f.kind, f.severity) for f in found} == {("two ids", "serious"), ("label conflict", "serious")}
    conflict = next(f for f in found if f.kind == "label conflict")
    assert conflict.cases == (3, 300)
    assert "labelled" in conflict.sentence
    assert "healthy" in conflict.sentence
    assert "ill" in conflict.sentence


def test_rows_that_agree_by_chance_are_not_two_ids(rng: np.random.Generator) -> None:
    flags = rng.integers(0, 2, (200, 4)).astype(np.float64)
    found = audit_cases(table(200, x=flags, features=("a", "b", "c", "d"))).leaks
    assert {(f.kind, f.severity) for f in found} <= {("duplicate", "notice"), ("label conflict", "notice")}
    assert all("chance allows" in f.sentence for f in found)


def test_patients_with_little_recorded_are_not_taken_for_each_other() -> None:
    x = CLEAN.x.copy()
    x[:150, 2:9] = np.nan
    found = audit_cases(replace(CLEAN, x=x)).leaks
    assert {f.severity for f in found} == {"notice"}
    assert {f.kind for f in found} == {"duplicate", "label conflict"}


def test_columns_that_say_the_same_do_not_count_twice(rng: np.random.Generator) -> None:
    """Thirty copies of one coarse measurement agree together, and are one coincidence."""
    x = np.repeat(rng.integers(0, 40, (400, 1)), 30, axis=1) + rng.integers(0, 3, (400, 30))
    found = audit_cases(table(400, x=x.astype(np.float64), features=())).leaks
    assert len({at for f in found if f.kind == "two ids" for at in f.cases}) <= 4


def test_levels_of_one_text_column_count_once() -> None:
    x = np.eye(5)[np.arange(50) % 5]
    (column,) = code_columns(x, tuple(f"ward={letter}" for letter in "abcde"), 10)
    assert column.name == "ward"
    np.testing.assert_allclose(column.share, 0.2)


def visits(rng: np.random.Generator) -> Cases:
    """Three visits of 200 people: where and when they were born stays, and their height; six values move freely."""
    person = np.repeat(np.arange(200), 3)
    stays = np.column_stack(
        [rng.integers(0, 30_000, 200), rng.integers(0, 500, 200), rng.normal(170, 9, 200).round(1)]
    )
    return table(
        600,
        x=np.column_stack([stays[person], rng.normal(0, 1, (600, 6)).round(3)]),
        patient=np.asarray([f"p{who}" for who in person]),
        features=("born", "place", "height", *(f"value {at}" for at in range(6))),
    )


def test_what_stays_from_visit_to_visit_is_learned(rng: np.random.Generator) -> None:
    cases = visits(rng)
    assert audit_cases(cases).leaks == ()
    cases.patient[2] = "new"
    (found,) = audit_cases(cases).leaks
    assert (found.kind, set(found.patients)) == ("two ids", {"p0", "new"})


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_very_few_cases(n: int) -> None:
    cases = table(n)
    assert audit_cases(cases).cases == n
    (found,) = audit_cases(plus(cases, cases.x[0])).leaks
    assert found.cases == (0, n)


def test_columns_that_say_nothing(rng: np.random.Generator) -> None:
    x = CLEAN.x.copy()
    x[:, 1], x[:, 2] = np.nan, 7.0
    assert audit_cases(replace(CLEAN, x=x)).leaks == ()
    everything = table(20, x=np.full((20, 2), np.nan), features=("a", "b"))
    assert {f.severity for f in audit_cases(everything).leaks} == {"notice"}


def test_targets_that_are_values(rng: np.random.Generator) -> None:
    cases = replace(CLEAN, y=rng.normal(0, 1, 300), classes=())
    assert audit_cases(cases).leaks == ()
    copy = replace(plus(CLEAN, CLEAN.x[0]), y=rng.normal(0, 1, 301), classes=())
    assert {f.kind for f in audit_cases(copy).leaks} == {"two ids", "label conflict"}


def test_the_same_cases_give_the_same_findings() -> None:
    cases = plus(CLEAN, CLEAN.x[3], at=3)
    assert audit_cases(cases) == audit_cases(cases)


def test_order_of_rows_does_not_matter(rng: np.random.Generator) -> None:
    cases = plus(CLEAN, CLEAN.x[3], at=3)
    order = rng.permutation(len(cases))
    (found,) = audit_cases(cases.select(order)).leaks
    assert set(order[list(found.cases)].tolist()) == {3, 300}


def test_progress_reaches_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    audit_cases(CLEAN, progress=lambda *said: told.append(said))
    assert told[-1] == ("comparing rows", 300, 300)


def test_levels_that_repeat_each_other_are_one_column(rng: np.random.Generator) -> None:
    ordered = rng.random(300) < 0.2
    tests = np.column_stack([np.where(rng.random(300) < 0.005, ~ordered, ordered) for _ in range(4)])
    alone = rng.integers(0, 2, 300)
    columns = code_columns(np.column_stack([tests, alone]).astype(float), ("a", "b", "c", "d", "alone"), 10)
    assert sorted(len(column.name.split(", ")) for column in columns) == [1, 4]
