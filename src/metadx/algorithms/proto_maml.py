"""Proto-MAML: MAML whose head begins as a prototypical network's."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.head import (
    BIAS,
    WEIGHT,
    through_linear_head,
    with_linear_head,
)
from metadx.algorithms.inner import (
    Adapted,
    gradient_descent,
    reference_of,
    steps_now,
    support_gradient,
)
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.memory import MemorySettings, check_microbatch, in_parts
from metadx.algorithms.protonet import class_means
from metadx.algorithms.recompute import recomputed
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class ProtoMAML(Algorithm, MemorySettings):
    """Meta-learns an initialisation for gradient descent from the linear head that is a prototypical network.

    The network and that head adapt together. The head is made anew from every support set, so tasks of any number
    of ways fit, and the outer gradient flows through how it was made.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        inner_lr: step size of the inner loop, on the mean loss.
        inner_steps: inner steps in training.
        eval_steps: inner steps at evaluation; `inner_steps` by default.
        first_order: treat the inner gradients as constants; the gradient still flows through the first head.
        transductive: batch statistics come from the query set.

    References:
        Triantafillou et al., "Meta-Dataset", ICLR 2020, section 3. Snell, Swersky and Zemel, NeurIPS 2017, section
        2.4, for the head.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    inner_lr: float = 0.01
    inner_steps: int = 5
    eval_steps: int | None = None
    first_order: bool = False
    transductive: bool = False

    def __post_init__(self) -> None:
        positive(self, "inner_lr")
        at_least(0, self, "inner_steps", "eval_steps")
        check_microbatch(self, self.inner_microbatch, self.net)

    @property
    def exact_gradient(self) -> bool:
        return not self.first_order

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        def slope(fast: Tensors) -> Tensors:
            forward = with_linear_head(self.net)
            return support_gradient(
                forward, self.loss, state, fast, support, self, first_order=self.first_order
            )

        embedding = self._embedding(params, state, support)
        steps = steps_now(context, self.inner_steps, self.eval_steps)
        fast = gradient_descent(slope, params | prototype_head(embedding, support), self.inner_lr, steps)
        return Adapted(state | fast, reference_of(support, context.query), support)

    def _embedding(self, params: Tensors, state: Tensors, support: Examples) -> Tensor:
        """Embeddings of the support cases, shape (cases, width)."""

        def of(params: Tensors, state: Tensors, part: Examples) -> Tensors:
            return {"rows": self.net(params | state, part.x, part.mask)}

        args = [(params, state, part) for part in in_parts(support, self.inner_microbatch)]
        return torch.cat([(recomputed(of, *a) if self.recompute else of(*a))["rows"] for a in args])

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        output = through_linear_head(self.net, adapted.tensors, adapted.reference, x)
        return self.loss.restrict(output, adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def prototype_head(embedding: Tensor, support: Examples) -> Tensors:
    """The linear head with the probabilities of a prototypical network: weights 2 c and biases -|c|^2."""
    centre = class_means(embedding, support)
    return {WEIGHT: 2 * centre, BIAS: -centre.square().sum(-1)}
