"""Several trained algorithms as one: each adapts by itself, and their answers are averaged in log space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class Average(Algorithm):
    """Members that were trained one by one, for conditions; make it with `averaged`.

    Args:
        members: inductive classifiers of tensors.
        offset: added to the mean logarithm of each condition's probability: above 0 for one that is to be called
            more readily than its probability says; empty for none.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    members: tuple[Algorithm, ...]
    offset: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for member in self.members:
            if not member.loss.classification or member.transductive or not member.tensors:
                raise UserError(
                    f"Average: {type(member).__name__} is no inductive classifier of tensors and cannot be a member"
                )

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return _joined([member.init(rng) for member in self.members])

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> tuple[Any, ...]:
        return tuple(
            member.adapt(_of(i, params), _of(i, state), support, context)
            for i, member in enumerate(self.members)
        )

    def predict(self, params: Tensors, state: Tensors, adapted: tuple[Any, ...], x: Tensor) -> Tensor:
        outputs = [
            torch.log_softmax(member.predict(_of(i, params), _of(i, state), own, x), -1)
            for i, (member, own) in enumerate(zip(self.members, adapted, strict=True))
        ]
        mean = torch.stack(outputs).mean(0)
        return mean + mean.new_tensor(self.offset) if self.offset else mean

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)


def averaged(
    trained: Sequence[tuple[Algorithm, Tensors, Tensors]], offset: tuple[float, ...] = ()
) -> tuple[Average, Tensors, Tensors]:
    """Trained algorithms as one, with its parameters and state.

    Args:
        trained: an algorithm, its parameters and its state each.
        offset: as in `Average`.

    Raises:
        UserError: one predicts values, is transductive, or is not made of tensors.
    """
    together = Average(tuple(algorithm for algorithm, _, _ in trained), offset)
    return together, *_joined([(params, state) for _, params, state in trained])


def _joined(parts: Sequence[tuple[Tensors, Tensors]]) -> tuple[Tensors, Tensors]:
    params = {f"{i}.{name}": t for i, (own, _) in enumerate(parts) for name, t in own.items()}
    state = {f"{i}.{name}": t for i, (_, own) in enumerate(parts) for name, t in own.items()}
    return params, state


def _of(i: int, tensors: Tensors) -> Tensors:
    """The tensors of the member of that number."""
    prefix = f"{i}."
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
