"""Ordinary training on the pooled meta-training conditions, which all transfer learning begins with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from metadx.algorithms.algorithm import Update
from metadx.algorithms.gradient import gradient_and_aux
from metadx.algorithms.head import BIAS, WEIGHT, through_linear_head
from metadx.algorithms.losses import Loss
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

Classify = Callable[[Functional, Tensors, Reference, Tensor], Tensor]


def pretraining_init(net: Functional, width: int, classes: int) -> tuple[Tensors, Tensors]:
    """The network's tensors and a zero classifier over the meta-training conditions."""
    params, state = net.init()
    like = next(iter((params | state).values()), torch.zeros(()))
    return params | {WEIGHT: like.new_zeros(classes, width), BIAS: like.new_zeros(classes)}, state


def classification_gradient(
    net: Functional,
    loss: Loss,
    params: Tensors,
    state: Tensors,
    cases: Examples,
    classify: Classify = through_linear_head,
) -> Update:
    """The gradient of the loss of classifying pooled cases into the meta-training conditions."""

    def objective(params: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
        output = classify(net, params | state, Reference(cases.x, cases.mask), cases.x)
        value = loss.value(output, cases)
        return value, {"loss": value.detach(), "score": loss.score(output.detach(), cases)}

    direction, metrics = gradient_and_aux(objective, params, differentiable=False)
    return direction, state, metrics
