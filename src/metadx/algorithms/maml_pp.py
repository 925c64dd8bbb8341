"""MAML++: MAML whose inner steps each have step sizes, norms and a loss of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Metrics, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import gradient_and_aux
from metadx.algorithms.inner import (
    Adapted,
    predict_adapted,
    reference_of,
    support_gradient,
    through,
)
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.memory import MemorySettings, check_microbatch
from metadx.algorithms.recompute import recomputed
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples, Task

_RATE = "inner_lr."
_MOMENTUM = 0.1
_LEAST = 0.03


@final
@dataclass(frozen=True, eq=False)
class MAMLPlusPlus(Algorithm, MemorySettings):
    """MAML made steadier: what the inner steps share in MAML, each of them has of its own here.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        inner_lr: step size of the inner loop, on the mean loss; before meta-training if `step_rates`.
        inner_steps: inner steps, in training and at evaluation.
        multi_step_until: outer steps during which the query loss after every inner step counts, the last one ever
            more; 0 for the last one alone.
        first_order_until: outer steps during which inner gradients are constants; 0 for none.
        step_rates: meta-learn a step size for every tensor and inner step.
        step_scales: batch norms have a scale and a shift for every inner step, which do not adapt.
        step_statistics: after training, batch norms use mean and variance gathered in training at the same inner
            step, not those of the support set; without effect if `transductive`.
        transductive: batch statistics come from the query set, as in the published figures.
        loss: cross-entropy or squared error.

    References:
        Antoniou, Edwards and Storkey, "How to Train Your MAML", ICLR 2019, section 4.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True

    network: nn.Module = field(repr=False)
    inner_lr: float = 0.1
    inner_steps: int = 5
    multi_step_until: int = 100
    first_order_until: int = 300
    step_rates: bool = True
    step_scales: bool = True
    step_statistics: bool = False
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr")
        at_least(0, self, "inner_steps", "multi_step_until", "first_order_until")
        check_microbatch(self, self.inner_microbatch, self.net)

    @property
    def exact_gradient(self) -> bool:
        return self.first_order_until == 0

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    @cached_property
    def gathered(self) -> Functional:
        """The network by the statistics gathered in training."""
        return self.net.taking_statistics()

    @cached_property
    def scales(self) -> set[str]:
        """Names of the parameters that every inner step has of its own."""
        return self.net.norm_names() & self.net.init()[0].keys() if self.step_scales else set()

    @cached_property
    def statistics(self) -> set[str]:
        """Names of the statistics that are gathered."""
        gathers = self.step_statistics and not self.transductive
        return set(self.gathered.names) - set(self.net.names) if gathers else set()

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        rates = {
            _RATE + name: value.new_full((self.inner_steps,), self.inner_lr)
            for name, value in params.items()
            if self.step_rates and name not in self.scales
        }
        params |= {name: self._of_each_step(params[name]) for name in self.scales}
        first = self.gathered.init()[1]
        return params | rates, state | {name: self._of_each_step(first[name]) for name in self.statistics}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        return self._trajectory(params, state, support, context)[-1]

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self._net(adapted.tensors), self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Task, context: Context = EVALUATING) -> Update:
        query = Reference(item.query.x, item.query.mask) if self.transductive else None
        context = context._replace(train=True, query=query)

        def objective(params: Tensors) -> tuple[Tensor, tuple[Metrics, Tensors]]:
            path = self._trajectory(params, state, item.support, context)
            weights = self._weights(context.step)
            outputs = {step: self._answer(path[step], item.query.x) for step in weights}
            values = {step: self.loss.value(output, item.query) for step, output in outputs.items()}
            weighted = torch.stack([weights[step] * value for step, value in values.items()]).sum()
            score = self.loss.score(outputs[self.inner_steps].detach(), item.query)
            metrics = {"loss": values[self.inner_steps].detach(), "score": score}
            return weighted, (metrics, self._seen(path, item.support))

        direction, (metrics, seen) = gradient_and_aux(objective, params, differentiable=False)
        moved = {name: torch.lerp(state[name], seen[name], _MOMENTUM) for name in self.statistics}
        return direction, state | moved, metrics

    def _answer(self, adapted: Adapted, x: Tensor) -> Tensor:
        """What `predict` gives, for which nothing is kept where steps are recomputed."""

        def of(adapted: Adapted, x: Tensor) -> Tensors:
            return {"rows": self.predict({}, {}, adapted, x)}

        return (recomputed(of, adapted, x) if self.recompute else of(adapted, x))["rows"]

    def _trajectory(
        self, params: Tensors, state: Tensors, support: Examples, context: Context
    ) -> list[Adapted]:
        """The network before the first inner step, and after each."""
        first_order = context.train and context.step < self.first_order_until
        own = self.scales if context.train else self.scales | self.statistics
        fast = {
            name: value
            for name, value in params.items()
            if name not in self.scales and not name.startswith(_RATE)
        }
        reference, path = reference_of(support, context.query), []
        for step in range(self.inner_steps + 1):
            fixed = {name: value for name, value in state.items() if name not in self.statistics}
            fixed |= {name: (params | state)[name][step] for name in own}
            path.append(Adapted(fixed | fast, reference, support))
            if step < self.inner_steps:
                down = support_gradient(
                    through(self._net(fixed)), self.loss, fixed, fast, support, self, first_order=first_order
                )
                rates = {
                    name: params[_RATE + name][step] if self.step_rates else self.inner_lr for name in fast
                }
                fast = {name: value - rates[name] * down[name] for name, value in fast.items()}
        return path

    def _net(self, tensors: Tensors) -> Functional:
        """The network by the gathered statistics if they are among the tensors, else by those of a batch."""
        return self.gathered if self.statistics and self.statistics <= tensors.keys() else self.net

    def _weights(self, outer: int) -> dict[int, float]:
        """How much the query loss after each inner step counts at an outer step; together they are 1."""
        steps, done = self.inner_steps, outer / max(self.multi_step_until, 1)
        if outer >= self.multi_step_until or steps < 2:
            return {steps: 1.0}
        early = max(1 - done, _LEAST) / steps
        return dict.fromkeys(range(1, steps), early) | {steps: 1 - (steps - 1) * early}

    def _seen(self, path: list[Adapted], support: Examples) -> Tensors:
        """Mean and variance of every batch norm over the support set at each inner step, as constants."""
        if not self.statistics:
            return {}
        with torch.no_grad():
            seen = [self.net.statistics(at.tensors, support.x, support.mask) for at in path]
        return {name: torch.stack([one[name] for one in seen]).detach() for name in self.statistics}

    def _of_each_step(self, value: Tensor) -> Tensor:
        """A copy of it for the network before the first inner step, and after each."""
        return value.expand(self.inner_steps + 1, *value.shape).clone()
