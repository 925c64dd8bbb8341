"""Heads that are fitted to a task on embeddings: what is kept of them, and how they embed."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


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
