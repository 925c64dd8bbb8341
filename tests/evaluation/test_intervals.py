"""Intervals over episodes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metadx.evaluation import bootstrap_interval, mean_interval


@given(seed=st.integers(0, 10_000), n=st.integers(2, 50))
@settings(max_examples=50)
def test_the_interval_of_a_mean_is_students(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert found == pytest.approx((values.mean(), low, high, n))


def test_undefined_episodes_are_left_out_and_not_counted() -> None:
    values = np.array([0.5, np.nan, 0.7, np.nan, 0.9])
    assert mean_interval(values) == mean_interval(values[[0, 2, 4]])
    assert mean_interval(values).n == 3


def test_one_episode_has_a_mean_but_no_interval_and_none_has_neither() -> None:
    assert mean_interval(np.array([0.5])) == pytest.approx((0.5, np.nan, np.nan, 1), nan_ok=True)
    assert mean_interval(np.array([np.nan])) == pytest.approx((np.nan, np.nan, np.nan, 0), nan_ok=True)


def test_a_method_that_diverged_has_infinite_error_not_fewer_episodes() -> None:
    found = mean_interval(np.array([1.0, np.inf, 2.0]))
    assert found == pytest.approx((np.inf, np.nan, np.nan, 3), nan_ok=True)


def test_the_bootstrap_of_a_mean_agrees_with_student(rng: np.random.Generator) -> None:
    values = rng.normal(3.0, 1.0, 200)
    found = bootstrap_interval(lambda index: float(values[index].mean()), len(values), resamples=2000)
    expected = mean_interval(values)
    assert found.value == expected.value
    assert found.n == 200
    assert found.low == pytest.approx(expected.low, abs=0.03)
    assert found.high == pytest.approx(expected.high, abs=0.03)
    again = bootstrap_interval(lambda index: float(values[index].mean()), len(values), resamples=2000)
    assert found == again


def test_ninety_five_percent_of_intervals_hold_the_truth(rng: np.random.Generator) -> None:
    draws = rng.normal(1.0, 2.0, (2000, 12))
    held = [interval.low <= 1.0 <= interval.high for interval in map(mean_interval, draws)]
    assert 0.935 < np.mean(held) < 0.965
