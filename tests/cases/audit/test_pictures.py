"""Pictures that are one picture, however they were saved."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cases.audit.making import pictures, plus, vouched
from metadx.cases import audit_cases
from metadx.cases.audit.sketches import averaging, fit_whitening, sketches, turned, turns

CLEAN = pictures()


def resized(picture: NDArray[Any], share: float) -> NDArray[Any]:
    image = Image.fromarray(picture.transpose(1, 2, 0))
    width, height = image.size
    small = image.resize((round(width * share), round(height * share)), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def encoded(picture: NDArray[Any], quality: int) -> NDArray[Any]:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [12, 60, 200])
def test_different_pictures_are_left_alone(n: int, seed: int) -> None:
    assert audit_cases(pictures(n, seed)).leaks == ()


@settings(max_examples=30)
@given(st.integers(0, 59), st.floats(0.5, 0.9), st.integers(60, 90), st.integers(0, 7))
def test_a_copy_resized_encoded_and_turned_is_found(at: int, share: float, quality: int, turn: int) -> None:
    copy = encoded(turned(resized(CLEAN.x[at], share), turn), quality)
    (found,) = audit_cases(plus(CLEAN, copy, at=at)).leaks
    assert (found.kind, found.severity, found.cases) == ("two ids", "serious", (at, 60))
    assert "show one picture" in found.sentence


@pytest.mark.parametrize("n", [8, 12, 20])
def test_a_copy_is_found_among_few(n: int) -> None:
    few = pictures(n)
    (found,) = audit_cases(plus(few, encoded(np.rot90(few.x[2], axes=(1, 2)), 75), at=2)).leaks
    assert found.cases == (2, n)


def test_the_turn_is_named() -> None:
    (found,) = audit_cases(plus(CLEAN, np.rot90(CLEAN.x[2], axes=(1, 2)))).leaks
    assert "turned by 90 degrees (correlation 1.000)" in found.sentence
    (found,) = audit_cases(plus(CLEAN, CLEAN.x[2][:, :, ::-1])).leaks
    assert "mirrored" in found.sentence


def test_brightness_does_not_hide_a_copy() -> None:
    darker = (CLEAN.x[4] * 0.7 + 10).astype(np.uint8)
    assert [f.cases for f in audit_cases(plus(CLEAN, darker)).leaks] == [(4, 60)]


def test_equal_pictures_of_one_patient_are_a_notice() -> None:
    (found,) = audit_cases(plus(CLEAN, CLEAN.x[4], patient="p4", at=4)).leaks
    assert (found.kind, found.severity) == ("duplicate", "notice")
    assert "equal in every pixel" in found.sentence


def test_without_patient_ids_a_copy_is_a_near_duplicate() -> None:
    (found,) = audit_cases(vouched(plus(CLEAN, encoded(CLEAN.x[4], 70)))).leaks
    assert (found.kind, found.severity) == ("near-duplicate", "serious")


def test_a_copy_with_another_label_is_a_conflict() -> None:
    other = 1 - int(CLEAN.y[4])
    found = audit_cases(plus(CLEAN, encoded(CLEAN.x[4], 70), y=other, at=4)).leaks
    assert [f.kind for f in found] == ["two ids", "label conflict"]


def test_several_copies_are_one_finding() -> None:
    cases = CLEAN
    for turn in (1, 2, 3):
        cases = plus(cases, np.rot90(CLEAN.x[7], turn, axes=(1, 2)), patient=f"copy {turn}", at=7)
    (found,) = audit_cases(cases).leaks
    assert found.cases == (7, 60, 61, 62)


def test_pictures_that_are_not_square() -> None:
    wide = pictures(40, size=(24, 48))
    assert audit_cases(wide).leaks == ()
    (found,) = audit_cases(plus(wide, wide.x[3][:, ::-1, ::-1], at=3)).leaks
    assert found.cases == (3, 40)


def test_pictures_of_one_tone() -> None:
    x = np.full((20, 1, 16, 16), 9, dtype=np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None, None]
    grey = pictures(20, x=x)
    assert not [f for f in audit_cases(grey).leaks if f.kind != "give-away"]


def test_very_small_and_very_few_pictures() -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, 1, 2, 2)).astype(np.uint8)
    assert audit_cases(pictures(3, x=x)).leaks == ()


def test_turns_are_eight_and_undo_each_other() -> None:
    square = np.arange(9).reshape(1, 3, 3)
    assert len({each.tobytes() for each in map(np.ascontiguousarray, turns(square))}) == 8
    for number in (0, 2, 4, 5, 6, 7):
        np.testing.assert_array_equal(turned(turned(square, number), number), square)


@pytest.mark.parametrize(("pixels", "side"), [(28, 14), (15, 14), (64, 10), (5, 5)])
def test_averaging_keeps_the_mean(pixels: int, side: int) -> None:
    line = np.random.default_rng(0).normal(size=pixels)
    weights = averaging(pixels, side)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((weights @ line).mean(), line.mean(), atol=1e-6)


def test_unrelated_sketches_have_nothing_in_common() -> None:
    many = pictures(300)
    sketch = sketches(many.x)
    vectors = fit_whitening(many.x, sketch, np.random.default_rng(0))(sketch)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    cosine = (vectors @ vectors.T)[~np.eye(300, dtype=bool)]
    assert abs(cosine.mean()) < 0.02
    assert np.abs(cosine).max() < 0.9
