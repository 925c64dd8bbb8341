"""What every algorithm is: four pure functions and a few declarations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import gradient_and_aux
from metadx.algorithms.losses import Loss
from metadx.learners import Reference, Tensors
from metadx.tasks import Examples, Task

Metrics = dict[str, Tensor]
Update = tuple[Tensors, Tensors, Metrics]

KEPT = "kept."
"""How the names of state tensors begin that remember meta-training cases. Of these the `update` of an algorithm
that learns from tasks gives new rows, which the engine puts in front."""


class Algorithm(ABC):
    """How parameters are meta-learned and adapted to a task.

    Subclasses are frozen dataclasses of hyper-parameters and a network; none of their functions has a side
    effect, so that one engine can run any of them over a batch of tasks.

    Declared by each subclass, because it cannot be inferred:
        consumes: what `update` learns from: "tasks", "cases" (pooled over conditions), or "nothing".
        tensors: whether what `adapt` returns is made of tensors, so that it can be batched; `update` always is.
        embeds: whether its network embeds a case for a head to read, so that cases alike are near each other there.
        fits_head: whether it embeds and `adapt` leaves the field `network` as it is: embeddings are all that a task
            needs.
        exact_gradient: whether the direction of `update` is the exact gradient of a loss.
        transductive: whether `adapt` sees the inputs of the query set.
    """

    consumes: ClassVar[Literal["tasks", "cases", "nothing"]]
    tensors: ClassVar[bool]
    embeds: ClassVar[bool] = False
    fits_head: ClassVar[bool] = False

    @property
    @abstractmethod
    def loss(self) -> Loss:
        """The loss, which also says whether outputs are logits or values."""

    @property
    @abstractmethod
    def exact_gradient(self) -> bool: ...

    @property
    @abstractmethod
    def transductive(self) -> bool: ...

    @abstractmethod
    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        """Meta-learned parameters before training, and the tensors that are not trained."""

    @abstractmethod
    def adapt(self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING) -> Any:
        """What the algorithm makes of one task's support set; differentiable where `tensors`.

        Args:
            params, state: as `init` gave and `update` left them.
            support: labelled cases of the task.
            context: what else may be known; the query inputs are there for transductive algorithms only.
        """

    @abstractmethod
    def predict(self, params: Tensors, state: Tensors, adapted: Any, x: Tensor) -> Tensor:
        """Logits or values for inputs `x`, shape (cases, outputs); logits of padded ways are very negative."""

    @abstractmethod
    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        """The direction to step against, the next state, and metrics of one task or one batch of cases."""


def query_gradient(
    algorithm: Algorithm,
    params: Tensors,
    state: Tensors,
    task: Task,
    context: Context = EVALUATING,
) -> Update:
    """The gradient of the query loss after adapting to the support set: the `update` of most algorithms."""

    def objective(params: Tensors) -> tuple[Tensor, Metrics]:
        output = solve(algorithm, params, state, task, context._replace(train=True))
        loss = algorithm.loss.value(output, task.query)
        return loss, {"loss": loss.detach(), "score": algorithm.loss.score(output.detach(), task.query)}

    direction, metrics = gradient_and_aux(objective, params, differentiable=False)
    return direction, state, metrics


def solve(
    algorithm: Algorithm,
    params: Tensors,
    state: Tensors,
    task: Task,
    context: Context = EVALUATING,
) -> Tensor:
    """Adapts to the task's support set and predicts its query set; query inputs are shown to nobody inductive."""
    if algorithm.transductive:
        context = context._replace(query=Reference(task.query.x, task.query.mask))
    adapted = algorithm.adapt(params, state, task.support, context)
    return algorithm.predict(params, state, adapted, task.query.x)


def nothing_to_learn(state: Tensors) -> Update:
    """The `update` of an algorithm that has nothing to meta-learn."""
    return {}, state, {}
