"""Logistic regression on the inputs: the simple thing that everything else has to beat."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from threadpoolctl import ThreadpoolController
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import positive
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Reference, Tensors
from metadx.tasks import Examples


@functools.cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> Any:
    """Keeps BLAS and OpenMP to one thread: on a handful of cases, threads wait for each other up to 20 times
    longer than they work."""
    return _thread_pools().limit(limits=1)


class Standardised(NamedTuple):
    """A scikit-learn classifier and the scaling of the support set it was fitted on."""

    estimator: Any
    mean: NDArray[np.float64]
    scale: float


def rows(x: Tensor) -> NDArray[np.float64]:
    """Inputs as float64 rows, shape (cases, features)."""
    return x.detach().cpu().double().flatten(1).numpy()


def labels(support: Examples) -> NDArray[np.int64]:
    """The way of each support case, shape (cases,)."""
    found: NDArray[np.int64] = support.y.argmax(-1).cpu().numpy()
    return found


def fit_estimator(estimator: Any, support: Examples) -> Standardised:
    """Fits a scikit-learn classifier to the real support cases, centred and divided by their overall deviation.

    One number scales all columns: with a handful of cases a deviation per column is mostly noise.
    """
    real = support.mask.cpu().numpy() > 0
    x = rows(support.x)[real]
    mean, scale = x.mean(0), max(float((x - x.mean(0)).std()), 1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit((x - mean) / scale, labels(support)[real])
    return Standardised(estimator, mean, scale)


def fit_logistic(support: Examples, c: float) -> Standardised:
    """L2-penalised multinomial logistic regression on the support set."""
    return fit_estimator(SklearnLogisticRegression(C=c, max_iter=200), support)


def predict_estimator(model: Standardised, x: Tensor, ways: int) -> Tensor:
    """Log-probabilities of the ways, shape (cases, ways); very negative for a way without support cases."""
    with one_thread():
        probability = model.estimator.predict_proba((rows(x) - model.mean) / model.scale)
    full = np.zeros((len(probability), ways))
    full[:, model.estimator.classes_] = probability
    return torch.log(torch.from_numpy(full).clamp(min=1e-30)).to(x.dtype)


@final
@dataclass(frozen=True, eq=False)
class LogisticRegression(Algorithm):
    """Multinomial logistic regression on each task's support set alone; nothing is meta-learned.

    Args:
        c: inverse strength of the L2 penalty.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = False
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    c: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "c")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self,
        params: Tensors,
        state: Tensors,
        support: Examples,
        *,
        rng: np.random.Generator | None = None,
        step: int = 0,
        train: bool = False,
        query: Reference | None = None,
    ) -> tuple[Standardised, int]:
        return fit_logistic(support, self.c), support.y.shape[-1]

    def predict(
        self, params: Tensors, state: Tensors, adapted: tuple[Standardised, int], x: Tensor
    ) -> Tensor:
        model, ways = adapted
        return predict_estimator(model, x, ways)

    def update(
        self,
        params: Tensors,
        state: Tensors,
        item: Any,
        *,
        rng: np.random.Generator | None = None,
        step: int = 0,
    ) -> Update:
        return nothing_to_learn(state)
