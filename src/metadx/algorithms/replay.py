"""One network for everybody, fine-tuned on each patient while it rehearses what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import KEPT, Algorithm, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import Objective
from metadx.algorithms.inner import adam, reference_of
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.pooled import pooled_gradient
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

_KEPT = tuple(KEPT + name for name in Examples._fields)
_GOLDEN = (5**0.5 - 1) / 2


@final
@dataclass(frozen=True, eq=False)
class Replay(Algorithm):
    """A network trained on the pooled cases of all patients, then by Adam on each support set, half of every batch
    replayed from meta-training, so that it does not forget what the support set has no case of.

    Conditions mean the same in every task. The last `memory` meta-training cases are kept in the state and go
    wherever the model goes. Without support cases nothing adapts.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        shape: of one case.
        outputs: columns of a target.
        lr: step size of Adam on the support set.
        steps: of Adam.
        batch: cases of a step, half of them replayed.
        memory: meta-training cases that are kept.
        loss: cross-entropy or squared error.

    References:
        Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", Connection Science 1995.
    """

    consumes: ClassVar = "cases"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False

    network: nn.Module = field(repr=False)
    shape: tuple[int, ...]
    outputs: int
    lr: float = 1e-3
    steps: int = 60
    batch: int = 128
    memory: int = 2048
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "lr", "outputs")
        at_least(0, self, "steps")
        at_least(2, self, "batch")
        at_least(1, self, "memory")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        sizes = ((self.memory, *self.shape), (self.memory, self.outputs), (self.memory,))
        return params, state | {name: like.new_zeros(size) for name, size in zip(_KEPT, sizes, strict=True)}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> tuple[Tensors, Reference]:
        reference = reference_of(support, context.query)
        if not len(support.x):
            return params, reference
        kept = Examples(*(state[name] for name in _KEPT))
        mine = scattered(support)

        def objective(i: int) -> Objective:
            batch = half_and_half(mine, kept, i, self.batch)
            return lambda fast: self.loss.value(self.net(state | fast, batch.x, batch.mask), batch)

        return adam(objective, params, self.lr, self.steps), reference

    def predict(
        self, params: Tensors, state: Tensors, adapted: tuple[Tensors, Reference], x: Tensor
    ) -> Tensor:
        fast, reference = adapted
        return self.net.given(state | fast, reference, x)

    def update(
        self, params: Tensors, state: Tensors, item: Examples, context: Context = EVALUATING
    ) -> Update:
        direction, _, metrics = pooled_gradient(self.net, self.loss, params, state, item)
        new = Examples(*(part[: self.memory] for part in item))
        slot = (context.step * len(new.x) + torch.arange(len(new.x), device=new.x.device)) % self.memory
        kept = {name: state[name].index_copy(0, slot, part) for name, part in zip(_KEPT, new, strict=True)}
        return direction, state | kept, metrics


def scattered(cases: Examples) -> Examples:
    """The cases in an order whose every stretch is spread evenly over all of them."""
    place = torch.argsort(
        torch.arange(len(cases.x), device=cases.x.device, dtype=torch.float64) * _GOLDEN % 1
    )
    return Examples(*(part[place] for part in cases))


def half_and_half(mine: Examples, kept: Examples, i: int, size: int) -> Examples:
    """The i-th batch, half of it from each, going round both in order as often as needed."""
    parts = []
    for cases in (mine, kept):
        rows = (torch.arange(size // 2, device=cases.x.device) + i * (size // 2)) % len(cases.x)
        parts.append(Examples(*(part[rows] for part in cases)))
    return Examples(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
