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

    Args:
        network: maps (cases, ...) to embeddings (cases, width); each way costs a factorisation of width x width.
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
        centre = class_means(embedding, support)
        factor = torch.linalg.cholesky(shrunk_covariances(embedding, support, self.identity))
        return FittedHead({"centre": centre, "factor": factor}, reference, support)

    def predict(self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor) -> Tensor:
        embedding = self.net.given(params | state, adapted.reference, x)
        apart = (embedding - adapted.head["centre"].unsqueeze(1)).mT
        whitened = torch.linalg.solve_triangular(adapted.head["factor"], apart, upper=False)
        return self.loss.restrict(-whitened.square().sum(-2).mT / 2, adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def shrunk_covariances(embedding: Tensor, support: Examples, identity: float) -> Tensor:
    """The covariance of each way's cases, drawn to that of all cases and to the identity.

    With n cases of a way its own covariance weighs n / (n + 1), that of all support cases the rest. One case has a
    covariance of zero.

    Returns:
        Shape (ways, width, width), positive definite; without a case of the way, that of all cases.
    """
    member = support.y * support.mask.unsqueeze(-1)
    count = member.sum(0)
    own = _covariances(embedding, torch.cat([member, support.mask.unsqueeze(-1)], -1))
    share = (count / (count + 1)).view(-1, 1, 1)
    unit = torch.eye(embedding.shape[-1], dtype=embedding.dtype, device=embedding.device)
    return share * own[:-1] + (1 - share) * own[-1] + identity * unit


def _covariances(embedding: Tensor, weight: Tensor) -> Tensor:
    """Unbiased covariances of several groups of cases, shape (groups, width, width); `weight` (cases, groups)."""
    count = weight.sum(0)
    mean = weight.mT @ embedding / count.clamp(min=1).unsqueeze(-1)
    apart = (embedding - mean.unsqueeze(1)) * weight.mT.unsqueeze(-1)
    return apart.mT @ apart / (count - 1).clamp(min=1).view(-1, 1, 1)
