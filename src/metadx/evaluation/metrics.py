"""Metrics of one episode, and the calibration error that only makes sense over many."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[Any]

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "auroc": True,
    "f1": True,
    "brier": False,
    "log_loss": False,
    "ece": False,
    "rmse": False,
    "mae": False,
    "mse": False,
}
TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auroc": "Macro AUROC",
    "f1": "Macro F1",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Calibration error (adaptive ECE)",
    "rmse": "Root mean squared error",
    "mae": "Mean absolute error",
    "mse": "Mean squared error",
}


def classification_metrics(probability: Array, label: Array) -> dict[str, float]:
    """Metrics of one episode.

    Args:
        probability: shape (cases, ways), rows sum to 1.
        label: the true way of each case, shape (cases,).
    """
    ways = probability.shape[1]
    predicted = probability.argmax(1)
    confusion = np.zeros((ways, ways))
    np.add.at(confusion, (label, predicted), 1)
    right, truth, guessed = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    seen = truth > 0
    recall = right[seen] / truth[seen]
    f1 = 2 * right[seen] / np.maximum(truth[seen] + guessed[seen], 1)
    onehot = np.eye(ways)[label]
    return {
        "accuracy": float(right.sum() / len(label)),
        "balanced_accuracy": float(recall.mean()),
        "auroc": macro_auroc(probability, label),
        "f1": float(f1.mean()),
        "brier": float(((probability - onehot) ** 2).sum(1).mean()),
    }


def log_loss(probability: Array, label: Array) -> float:
    """Mean negative logarithm of the probability of the true way; a probability below 1e-6 counts as that."""
    return float(-np.log(np.maximum(probability[np.arange(len(label)), label], 1e-6)).mean())


def regression_metrics(value: Array, truth: Array) -> dict[str, float]:
    """Metrics of one episode of values, shape (cases, outputs), in the units of the target; the error of a value
    that is not a number is infinite."""
    error = np.where(np.isnan(value), np.inf, value - truth)
    mse = float(np.mean(error**2))
    return {"mse": mse, "rmse": mse**0.5, "mae": float(np.mean(np.abs(error)))}


def macro_auroc(probability: Array, label: Array) -> float:
    """Mean one-against-rest area under the ROC curve over the ways that have cases on both sides, ties halved.

    The Mann-Whitney form, because an episode is scored thousands of times; NaN where no way qualifies.
    """
    positive = label[:, None] == np.arange(probability.shape[1])
    yes, no = positive.sum(0), (~positive).sum(0)
    usable = (yes > 0) & (no > 0)
    if not usable.any():
        return float("nan")
    rank = rankdata(probability, axis=0)
    wins = np.where(positive, rank, 0).sum(0) - yes * (yes + 1) / 2
    return float((wins[usable] / (yes[usable] * no[usable])).mean())


def adaptive_ece(confidence: Array, right: Array, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over bins of equally many cases (Nixon et al. 2019).

    Args:
        confidence: probability of the predicted way, shape (cases,).
        right: whether it was the true way, shape (cases,).
    """
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(p) * abs(confidence[p].mean() - right[p].mean()) for p in parts]
    return float(np.sum(gaps) / len(order))
