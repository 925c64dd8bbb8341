"""Metrics equal scikit-learn's, ties and absent ways included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from metadx.evaluation import adaptive_ece, classification_metrics, macro_auroc, regression_metrics


def episode(seed: int, ways: int, cases: int, tied: bool) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, of few distinct values where `tied`, and labels."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(1, 4, (cases, ways)).astype(float) if tied else rng.exponential(size=(cases, ways))
    return raw / raw.sum(1, keepdims=True), rng.integers(0, ways, cases)


@given(seed=st.integers(0, 10_000), ways=st.integers(2, 6), cases=st.integers(1, 30), tied=st.booleans())
@settings(max_examples=80)
def test_metrics_equal_scikit_learns(seed: int, ways: int, cases: int, tied: bool) -> None:
    probability, label = episode(seed, ways, cases, tied)
    found = classification_metrics(probability, label)
    predicted, seen = probability.argmax(1), np.unique(label)
    recall = sk.recall_score(label, predicted, labels=seen, average="macro", zero_division=0)
    f1 = sk.f1_score(label, predicted, labels=seen, average="macro", zero_division=0)

    assert found["accuracy"] == pytest.approx(sk.accuracy_score(label, predicted))
    assert found["balanced_accuracy"] == pytest.approx(recall)
    assert found["f1"] == pytest.approx(f1)
    brier = sk.brier_score_loss(label, probability, labels=np.arange(ways), scale_by_half=False)
    assert found["brier"] == pytest.approx(brier)
    areas = [
        sk.roc_auc_score(label == way, probability[:, way])
        for way in range(ways)
        if 0 < (label == way).sum() < cases
    ]
    if areas:
        assert found["auroc"] == pytest.approx(np.mean(areas))
    else:
        assert np.isnan(found["auroc"])


def test_macro_auroc_is_one_against_rest_of_scikit_learn() -> None:
    probability, label = episode(0, 4, 60, True)
    expected = sk.roc_auc_score(label, probability, multi_class="ovr", average="macro")
    assert macro_auroc(probability, label) == pytest.approx(expected)


@given(seed=st.integers(0, 10_000), cases=st.integers(1, 20), outputs=st.integers(1, 3))
@settings(max_examples=50)
def test_regression_metrics_equal_scikit_learns(seed: int, cases: int, outputs: int) -> None:
    value, truth = np.random.default_rng(seed).normal(size=(2, cases, outputs))
    found = regression_metrics(value, truth)
    assert found["mse"] == pytest.approx(sk.mean_squared_error(truth, value))
    assert found["rmse"] == pytest.approx(sk.mean_squared_error(truth, value) ** 0.5)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(truth, value))


def test_calibrated_predictions_have_next_to_no_calibration_error(rng: np.random.Generator) -> None:
    confidence = rng.uniform(0.3, 1.0, 100_000)
    right = rng.uniform(size=len(confidence)) < confidence
    assert adaptive_ece(confidence, right) < 0.01
    assert adaptive_ece(np.minimum(confidence + 0.2, 1.0), right) > 0.1


def test_calibration_error_of_six_cases_by_hand() -> None:
    confidence = np.array([0.9, 0.5, 0.6, 0.8, 0.7, 1.0])
    right = np.array([True, False, True, True, False, True])
    # sorted: (.5 no, .6 yes) (.7 no, .8 yes) (.9 yes, 1. yes) -> gaps .05, .25, .05
    assert adaptive_ece(confidence, right, bins=3) == pytest.approx((0.05 + 0.25 + 0.05) / 3)
    assert adaptive_ece(confidence, right, bins=1) == pytest.approx(abs(0.75 - 4 / 6))
    each = np.mean(np.abs(confidence - right))
    assert adaptive_ece(confidence, right, bins=100) == pytest.approx(each)
