from __future__ import annotations

import numpy as np
import pytest

from metadx.cases.signals import rhythm


def test_a_steady_rhythm_is_nought() -> None:
    found = rhythm(np.arange(50) * 0.8)
    assert np.allclose(found[:, :5], 0, atol=1e-6)
    assert np.allclose(found[3:, 5], 1 + np.log(0.01) / 2, atol=1e-5)


def test_an_early_beat_and_the_pause_after_it() -> None:
    seconds = np.arange(40) * 1.0
    seconds[20] -= 0.4
    found = rhythm(seconds)
    assert np.allclose(found[20, :4], np.log([0.6, 1.4, 0.6, 0.6]), atol=1e-5)
    assert np.allclose(found[21, 0], np.log(1.4), atol=1e-5)
    assert np.allclose(found[:19, :5], 0, atol=1e-5)


def test_an_early_beat_counts_for_less_in_an_irregular_rhythm() -> None:
    rng = np.random.default_rng(0)
    intervals = np.full(80, 1.0)
    steady = rhythm(np.cumsum(np.r_[intervals, 0.7]))[-1]
    fibrillating = rhythm(np.cumsum(np.r_[intervals * np.exp(rng.normal(0, 0.25, 80)), 0.7]))[-1]
    assert steady[4] == pytest.approx(max(np.log(0.7) / 0.02 / 5, -3), abs=1e-4)
    assert abs(fibrillating[4]) < abs(steady[4]) / 3
    assert fibrillating[5] > steady[5] + 0.8


def test_nothing_but_the_next_beat_is_looked_ahead_to() -> None:
    rng = np.random.default_rng(0)
    seconds = np.cumsum(rng.uniform(0.5, 1.2, 400))
    whole = rhythm(seconds)
    for end in (1, 2, 5, 50, 390):
        assert np.array_equal(rhythm(seconds[:end])[: end - 1], whole[: end - 1])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_recordings(count: int) -> None:
    assert rhythm(np.arange(count) * 0.7).shape == (count, 6)
    assert np.isfinite(rhythm(np.zeros(count))).all()


def test_equal_times_and_long_pauses_stay_finite() -> None:
    found = rhythm(np.array([0.0, 0.0, 1.0, 1.0, 500.0, 501.0]))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 3
    assert np.abs(found[:, :4]).max() <= 1.5
