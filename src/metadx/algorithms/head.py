"""Heads on an embedding: fitted while the network stays, or linear and adapted together with it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from metadx.algorithms.gradient import Objective
from metadx.algorithms.inner import Forward, support_loss
from metadx.algorithms.losses import Loss
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

WEIGHT, BIAS = "classifier.weight", "classifier.bias"
"""Names of the tensors of a linear head, shape (outputs, width) and (outputs,)."""


class FittedHead(NamedTuple):
    """A head fitted to a task, on the embedding of a network that stays as it was meta-learned.

    Args:
        head: tensors of the head by name, without inputs of support cases.
        reference: the cases that batch statistics come from.
        support: the support set, which says which ways exist.
    """

    head: Tensors
    reference: Reference
    support: Examples


def embed_support(net: Functional, tensors: Tensors, support: Examples) -> tuple[Tensor, Reference]:
    """Embeddings of the support cases, shape (cases, width), and whose batch statistics they have: their own."""
    reference = Reference(support.x, support.mask)
    return net.given(tensors, reference, support.x), reference


def through_linear_head(net: Functional, tensors: Tensors, reference: Reference, x: Tensor) -> Tensor:
    """Outputs of a linear head on the network's embedding; the tensors of both are given."""
    return _linear(tensors, net.given(tensors, reference, x))


def with_linear_head(net: Functional) -> Forward:
    """Outputs of a linear head on the network's embedding of cases, whose batch statistics are their own."""
    return lambda tensors, cases: _linear(tensors, net(tensors, cases.x, cases.mask))


def linear_head_objective(net: Functional, loss: Loss, fixed: Tensors, support: Examples) -> Objective:
    """The loss on the support set as a function of the tensors that adapt, a linear head among them."""
    return lambda fast: support_loss(with_linear_head(net), loss, fixed | fast, support, support)


def _linear(tensors: Tensors, embedding: Tensor) -> Tensor:
    return embedding @ tensors[WEIGHT].mT + tensors[BIAS]
