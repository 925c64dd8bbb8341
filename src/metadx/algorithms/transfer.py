"""Transfer learning: pretrain on the pooled meta-training conditions, then probe or fine-tune."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.head import BIAS, WEIGHT, linear_head_objective, through_linear_head
from metadx.algorithms.inner import Adapted, adam, reference_of
from metadx.algorithms.logistic import Regression, fit_logistic, predict_logistic
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.pretraining import classification_gradient, pretraining_init
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


class Probe(NamedTuple):
    """A logistic regression on embeddings, and the cases that batch statistics come from."""

    regression: Regression
    reference: Reference


@final
@dataclass(frozen=True, eq=False)
class LinearProbe(Algorithm):
    """Logistic regression on the frozen embedding of a network pretrained on the meta-training conditions.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        width: columns of the embedding.
        classes: number of meta-training conditions.
        c: inverse strength of the L2 penalty of the logistic regression.

    References:
        Tian et al., "Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?", ECCV 2020.
    """

    consumes: ClassVar = "cases"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    width: int
    classes: int
    c: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "c", "width", "classes")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return pretraining_init(self.net, self.width, self.classes)

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Probe:
        reference = reference_of(support, context.query)
        embedding = self.net.given(params | state, reference, support.x)
        return Probe(fit_logistic(embedding, support, self.c), reference)

    def predict(self, params: Tensors, state: Tensors, adapted: Probe, x: Tensor) -> Tensor:
        embedding = self.net.given(params | state, adapted.reference, x)
        output = predict_logistic(adapted.regression, embedding)
        return self.loss.restrict(output, adapted.regression.dual.support)

    def update(
        self, params: Tensors, state: Tensors, item: Examples, context: Context = EVALUATING
    ) -> Update:
        return classification_gradient(self.net, self.loss, params, state, item)


@final
@dataclass(frozen=True, eq=False)
class FineTune(Algorithm):
    """All weights of a network pretrained on the meta-training conditions, and a new head, trained by Adam on
    the support set.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        width: columns of the embedding.
        classes: number of meta-training conditions.
        lr: step size of Adam on the support set.
        steps: full-batch steps on the support set.

    References:
        Chen et al., "A Closer Look at Few-shot Classification", ICLR 2019 (Baseline).
    """

    consumes: ClassVar = "cases"
    tensors: ClassVar = True
    embeds: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    width: int
    classes: int
    lr: float = 1e-2
    steps: int = 50

    def __post_init__(self) -> None:
        positive(self, "lr", "width", "classes")
        at_least(0, self, "steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return pretraining_init(self.net, self.width, self.classes)

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        reference = reference_of(support, context.query)
        ways = support.y.shape[-1]
        head = {WEIGHT: support.x.new_zeros(ways, self.width), BIAS: support.x.new_zeros(ways)}
        objective = linear_head_objective(self.net, self.loss, state, support)
        fast = adam(lambda _: objective, params | head, self.lr, self.steps)
        return Adapted(state | fast, reference, support)

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        output = through_linear_head(self.net, adapted.tensors, adapted.reference, x)
        return self.loss.restrict(output, adapted.support)

    def update(
        self, params: Tensors, state: Tensors, item: Examples, context: Context = EVALUATING
    ) -> Update:
        return classification_gradient(self.net, self.loss, params, state, item)
