"""Transductive fine-tuning: the query cases, unlabelled, take part in adapting."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.head import (
    BIAS,
    WEIGHT,
    embed_support,
    linear_head_objective,
    through_linear_head,
)
from metadx.algorithms.inner import Adapted, adam, reference_of
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.pretraining import classification_gradient, pretraining_init
from metadx.algorithms.protonet import class_means
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class TransductiveFineTune(Algorithm):
    """All weights of a pretrained network and a new head, trained by Adam until the support cases are told apart
    and no query case is in doubt.

    The loss is the cross-entropy of the support cases plus the entropy of the predictions for the query cases. A
    diagnosis therefore depends on which other cases are asked about together with it, and batch statistics come
    from them too. The head begins at the mean directions of the conditions.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        width: columns of the embedding.
        classes: number of meta-training conditions.
        lr: step size of Adam.
        steps: full-batch steps.
        entropy: weight of the query cases' mean entropy; 1 in the paper.

    References:
        Dhillon, Chaudhari, Ravichandran and Soatto, "A Baseline for Few-Shot Image Classification", ICLR 2020,
        sections 3.1 and 3.2.
    """

    consumes: ClassVar = "cases"
    tensors: ClassVar = True
    embeds: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = True
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    width: int
    classes: int
    lr: float = 1e-3
    steps: int = 25
    entropy: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "lr", "width", "classes")
        at_least(0, self, "steps", "entropy")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return pretraining_init(self.net, self.width, self.classes)

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        query = context.query
        labelled = linear_head_objective(self.net, self.loss, state, support)

        def objective(fast: Tensors) -> Tensor:
            if query is None:
                return labelled(fast)
            output = through_linear_head(self.net, state | fast, query, query.x)
            return labelled(fast) + self.entropy * mean_entropy(self.loss.restrict(output, support), query)

        fast = adam(
            lambda _: objective, params | self._first_head(params | state, support), self.lr, self.steps
        )
        return Adapted(state | fast, reference_of(support, query), support)

    def _first_head(self, tensors: Tensors, support: Examples) -> Tensors:
        embedding, _ = embed_support(self.net, tensors, support)
        weight = F.normalize(class_means(F.normalize(embedding, dim=-1), support), dim=-1)
        return {WEIGHT: weight, BIAS: weight.new_zeros(len(weight))}

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        output = through_linear_head(self.net, adapted.tensors, adapted.reference, x)
        return self.loss.restrict(output, adapted.support)

    def update(
        self, params: Tensors, state: Tensors, item: Examples, context: Context = EVALUATING
    ) -> Update:
        return classification_gradient(self.net, self.loss, params, state, item)


def mean_entropy(logits: Tensor, cases: Reference) -> Tensor:
    """The mean Shannon entropy of predictions for real cases, in nats."""
    log_p = torch.log_softmax(logits, -1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return (entropy * cases.mask).sum() / cases.mask.sum().clamp(min=1)
