"""Nearest centroid on the inputs: a prototypical network without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.protonet import class_means, squared_distance
from metadx.learners import Tensors
from metadx.tasks import Examples


class Centroids(NamedTuple):
    """The mean of each way, shape (ways, features), and the support set it is of."""

    centre: Tensor
    support: Examples


@final
@dataclass(frozen=True, eq=False)
class NearestCentroid(Algorithm):
    """Softmax over the mean squared distance of the inputs to each condition's mean.

    Args:
        sharpness: multiplies the mean squared distance.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    sharpness: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "sharpness")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Centroids:
        return Centroids(class_means(support.x.flatten(1), support), support)

    def predict(self, params: Tensors, state: Tensors, adapted: Centroids, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        distance = squared_distance(flat, adapted.centre) / flat.shape[-1]
        return self.loss.restrict(-self.sharpness * distance, adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
