"""Baseline++: transfer learning whose classifiers compare directions."""

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
from metadx.algorithms.head import WEIGHT, FittedHead, embed_support
from metadx.algorithms.inner import adam
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.pretraining import classification_gradient
from metadx.algorithms.protonet import class_means
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class BaselinePlusPlus(Algorithm):
    """A network pretrained through a cosine classifier, and a cosine classifier trained by Adam on the support set.

    The network stays as it was pretrained. The directions of a task begin at the mean directions of its conditions,
    where the paper begins anywhere: few cases do not outweigh a bad beginning, and the same cases always give the
    same classifier.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        width: columns of the embedding.
        classes: number of meta-training conditions.
        scale: what cosines are multiplied by, in pretraining and on tasks.
        lr: step size of Adam on the support set.
        steps: full-batch steps on the support set.

    References:
        Chen et al., "A Closer Look at Few-shot Classification", ICLR 2019, section 3.2 (Baseline++).
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
    scale: float = 10.0
    lr: float = 1e-2
    steps: int = 100

    def __post_init__(self) -> None:
        positive(self, "scale", "lr", "width", "classes")
        at_least(0, self, "steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        anywhere = torch.from_numpy(rng.normal(size=(self.classes, self.width))).to(like)
        return params | {WEIGHT: F.normalize(anywhere, dim=-1)}, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> FittedHead:
        embedding, reference = embed_support(self.net, params | state, support)

        def objective(head: Tensors) -> Tensor:
            return self.loss.value(
                self.loss.restrict(self._cosines(embedding, head[WEIGHT]), support), support
            )

        start = {WEIGHT: class_means(F.normalize(embedding, dim=-1), support)}
        return FittedHead(adam(lambda _: objective, start, self.lr, self.steps), reference, support)

    def predict(self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor) -> Tensor:
        embedding = self.net.given(params | state, adapted.reference, x)
        return self.loss.restrict(self._cosines(embedding, adapted.head[WEIGHT]), adapted.support)

    def update(
        self, params: Tensors, state: Tensors, item: Examples, context: Context = EVALUATING
    ) -> Update:
        def classify(net: Functional, tensors: Tensors, reference: Reference, x: Tensor) -> Tensor:
            return self._cosines(net.given(tensors, reference, x), tensors[WEIGHT])

        return classification_gradient(self.net, self.loss, params, state, item, classify)

    def _cosines(self, embedding: Tensor, weight: Tensor) -> Tensor:
        return self.scale * F.normalize(embedding, dim=-1) @ F.normalize(weight, dim=-1).mT
