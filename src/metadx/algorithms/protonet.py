"""Prototypical networks: a condition is the mean of its embedded support cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.inner import reference_of
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


class Prototypes(NamedTuple):
    """The mean embedding of each way, shape (ways, width), and what is needed to embed query cases."""

    centre: Tensor
    reference: Reference
    support: Examples


@final
@dataclass(frozen=True, eq=False)
class ProtoNet(Algorithm):
    """Meta-learns an embedding in which a case belongs to the nearest mean, by squared Euclidean distance.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        transductive: batch statistics come from the query set.

    References:
        Snell, Swersky and Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017, equations 1-2.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    transductive: bool = False

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Prototypes:
        embedding = self.net(state | params, support.x, support.mask)
        return Prototypes(class_means(embedding, support), reference_of(support, context.query), support)

    def predict(self, params: Tensors, state: Tensors, adapted: Prototypes, x: Tensor) -> Tensor:
        embedding = self.net.given(state | params, adapted.reference, x)
        return self.loss.restrict(-squared_distance(embedding, adapted.centre), adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def class_means(embedding: Tensor, support: Examples) -> Tensor:
    """The mean embedding of each way, shape (ways, width); zero for a padded way."""
    weight = support.y * support.mask.unsqueeze(-1)
    return weight.mT @ embedding / weight.sum(0).clamp(min=1).unsqueeze(-1)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distance of every row of `a` to every row of `b`, shape (rows of a, rows of b)."""
    return torch.sum((a.unsqueeze(1) - b.unsqueeze(0)).square(), -1)
