"""A condition is the mean of its embedded support cases and their spread: the classifier of Simple CNAPS."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.head import FittedHead, embed_support
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.protonet import class_means
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class Mahalanobis(Algorithm):
    """Meta-learns an embedding in which a case belongs to the nearest mean, by each condition's own covariance.

    Of Simple CNAPS this is the classifier alone: no second network modulates the features for each task.
    Where an embedding is wider than twice the support set, the system in the cases is solved (Woodbury's identity).

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        identity: multiple of the identity matrix in every covariance.

    References:
        Bateni, Goyal, Masrani, Wood and Sigal, "Improved Few-Shot Visual Classification" (Simple CNAPS), CVPR 2020,
        equations 2 to 4.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    identity: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "identity")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> FittedHead:
        embedding, reference = embed_support(self.net, params | state, support)
        centre, spread = class_means(embedding, support), shrunk_spreads(embedding, support)
        wide = spread.shape[-2] < spread.shape[-1]
        gram = spread @ spread.mT if wide else spread.mT @ spread
        unit = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
        head = {"centre": centre, "factor": torch.linalg.cholesky(gram + self.identity * unit)}
        return FittedHead(head | ({"spread": spread} if wide else {}), reference, support)

    def predict(self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor) -> Tensor:
        embedding, head = self.net.given(params | state, adapted.reference, x), adapted.head
        apart = embedding - head["centre"].unsqueeze(1)
        spread = head.get("spread")
        across = apart.mT if spread is None else spread @ apart.mT
        squared = torch.linalg.solve_triangular(head["factor"], across, upper=False).square().sum(-2)
        if spread is not None:
            squared = (apart.square().sum(-1) - squared) / self.identity
        return self.loss.restrict(-squared.mT / 2, adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def shrunk_spreads(embedding: Tensor, support: Examples) -> Tensor:
    """S of each way, where S^T S is the covariance of its cases, drawn to that of all cases.

    With n cases of a way its own covariance weighs n / (n + 1), that of all support cases the rest. One case has a
    covariance of zero.

    Returns:
        Shape (ways, 2 * cases, width); without a case of the way, that of all cases.
    """
    member = support.y * support.mask.unsqueeze(-1)
    count = member.sum(0)
    spread = _spreads(embedding, torch.cat([member, support.mask.unsqueeze(-1)], -1))
    share = (count / (count + 1)).view(-1, 1, 1)
    return torch.cat([share.sqrt() * spread[:-1], (1 - share).sqrt() * spread[-1]], 1)


def _spreads(embedding: Tensor, weight: Tensor) -> Tensor:
    """S of several groups of cases, shape (groups, cases, width), where S^T S is the unbiased covariance; `weight`
    (cases, groups)."""
    count = weight.sum(0)
    mean = weight.mT @ embedding / count.clamp(min=1).unsqueeze(-1)
    apart = (embedding - mean.unsqueeze(1)) * weight.mT.unsqueeze(-1)
    return apart / (count - 1).clamp(min=1).sqrt().view(-1, 1, 1)
