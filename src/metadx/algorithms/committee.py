"""Committees: regressions that are averaged with boosted trees, which see the thresholds that regressions miss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.boosted import BoostedTrees
from metadx.algorithms.checks import at_least
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.estimator import Fitted
from metadx.algorithms.logistic import LogisticRegression
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.meta_logistic import MetaLogistic
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples

_FLOOR = math.log(1e-3)  # trees of a few cases are surer than they may be


class Members(NamedTuple):
    """What each member made of the support set."""

    regression: Any
    trees: Fitted
    support: Examples


@final
@dataclass(frozen=True, eq=False)
class MetaCommittee(Algorithm):
    """Meta-learned logistic regression, its log-probabilities averaged with those of boosted trees.

    Its direction is that of `MetaLogistic`; the trees learn from each support set alone.

    Args:
        inputs: numbers that a case is made of.
        weight: of the trees in the average, 0 to 1.
        leaf: least number of support cases in a leaf of the trees.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = False
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    inputs: int
    weight: float = 0.15
    leaf: int = 3

    def __post_init__(self) -> None:
        _check(self, self.weight, self.leaf)

    @cached_property
    def regression(self) -> MetaLogistic:
        return MetaLogistic(self.inputs)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.regression.init(rng)

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Members:
        trees = BoostedTrees(leaf=self.leaf).adapt({}, {}, support)
        return Members(self.regression.adapt(params, state, support), trees, support)

    def predict(self, params: Tensors, state: Tensors, adapted: Members, x: Tensor) -> Tensor:
        regression = self.regression.predict(params, state, adapted.regression, x)
        return _average(regression, BoostedTrees().predict({}, {}, adapted.trees, x), self.weight, adapted)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return self.regression.update(params, state, item, context)


@final
@dataclass(frozen=True, eq=False)
class LogisticTrees(Algorithm):
    """Logistic regression averaged with boosted trees, both on each task's support set alone.

    Args:
        c: inverse strength of the L2 penalty of the regression.
        weight: of the trees in the average of log-probabilities, 0 to 1.
        leaf: least number of support cases in a leaf of the trees.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = False
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    c: float = 1.0
    weight: float = 0.15
    leaf: int = 3

    def __post_init__(self) -> None:
        _check(self, self.weight, self.leaf)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Members:
        trees = BoostedTrees(leaf=self.leaf).adapt({}, {}, support)
        return Members(LogisticRegression(self.c).adapt({}, {}, support), trees, support)

    def predict(self, params: Tensors, state: Tensors, adapted: Members, x: Tensor) -> Tensor:
        regression = LogisticRegression(self.c).predict({}, {}, adapted.regression, x)
        return _average(regression, BoostedTrees().predict({}, {}, adapted.trees, x), self.weight, adapted)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)


def _average(regression: Tensor, trees: Tensor, weight: float, adapted: Members) -> Tensor:
    """Weighted mean of log-probabilities, those of the trees bounded from below."""
    first = torch.log_softmax(regression, -1)
    second = torch.log_softmax(trees, -1).clamp(min=_FLOOR)
    return CROSS_ENTROPY.restrict((1 - weight) * first + weight * second, adapted.support)


def _check(algorithm: Algorithm, weight: float, leaf: int) -> None:
    at_least(1, algorithm, "leaf")
    if not 0 <= weight <= 1:
        raise UserError(f"{type(algorithm).__name__}: weight must be between 0 and 1, not {weight}")
