"""Matching networks: a case has the conditions of the support cases that it resembles."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.head import FittedHead, embed_support
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples

_SHARPNESS = "head.log_sharpness"
_ELSEWHERE = -1e9


@final
@dataclass(frozen=True, eq=False)
class MatchingNet(Algorithm):
    """Meta-learns an embedding in which attention over the support cases, by cosine, gives the conditions.

    One network embeds support and query cases, each by itself: the paper's full-context embeddings, by an LSTM over
    the support set, are left out. Cosines are multiplied by a meta-learned sharpness, which the paper has at 1.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        sharpness: of the attention before meta-training.

    References:
        Vinyals et al., "Matching Networks for One Shot Learning", NeurIPS 2016, equation 1 and section 2.1.1.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    sharpness: float = 10.0

    def __post_init__(self) -> None:
        positive(self, "sharpness")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        return params | {_SHARPNESS: like.new_full((), float(np.log(self.sharpness)))}, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> FittedHead:
        embedding, reference = embed_support(self.net, params | state, support)
        member = support.y * support.mask.unsqueeze(-1)
        return FittedHead({"unit": F.normalize(embedding, dim=-1), "member": member}, reference, support)

    def predict(self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor) -> Tensor:
        unit = F.normalize(self.net.given(params | state, adapted.reference, x), dim=-1)
        attention = params[_SHARPNESS].exp() * unit @ adapted.head["unit"].mT
        of_way = torch.where(adapted.head["member"] > 0, attention.unsqueeze(-1), _ELSEWHERE)
        return self.loss.restrict(torch.logsumexp(of_way, -2), adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
