"""Gradient-boosted trees on each task's support set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.estimator import Fitted, fit_estimator, predict_estimator
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Tensors
from metadx.tasks import Examples

_MOST_BINS = 255  # of scikit-learn


@final
@dataclass(frozen=True, eq=False)
class BoostedTrees(Algorithm):
    """Histogram gradient boosting on each task's support set alone; nothing is meta-learned.

    Args:
        trees: boosting rounds.
        lr: shrinkage of each round.
        leaf: least number of support cases in a leaf.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = False
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    trees: int = 15
    lr: float = 0.3
    leaf: int = 2

    def __post_init__(self) -> None:
        positive(self, "trees", "lr", "leaf")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Fitted:
        cases = int(support.mask.sum())
        splits = cases >= 2 * self.leaf  # trees that cannot grow are all alike: one says as much
        model = HistGradientBoostingClassifier(
            max_iter=self.trees if splits else 1,
            max_bins=min(max(cases, 2), _MOST_BINS),  # more would stay empty, and take their time
            learning_rate=self.lr,
            min_samples_leaf=self.leaf,
            early_stopping=False,
            random_state=0,
        )
        return fit_estimator(model, support)

    def predict(self, params: Tensors, state: Tensors, adapted: Fitted, x: Tensor) -> Tensor:
        return predict_estimator(adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
