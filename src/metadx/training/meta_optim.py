"""`MetaOptim`: the same machinery for people who write their own training loop."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.algorithms import (
    CROSS_ENTROPY,
    MAML,
    SQUARED_ERROR,
    Adapted,
    Context,
    choose_way,
    over_tasks,
)
from metadx.learners import Tensors
from metadx.tasks import Examples

_KEYS = ("data", "labels", "query_data", "query_labels")


class MetaOptim:
    """MAML around a learner of your own: adapt to a batch of tasks, then step the learner itself.

    Args:
        learner: any module that maps (cases, ...) to (cases, outputs); its parameters are what `step` changes.
        inner_lr: step size of the inner loop.
        inner_steps: inner steps.
        lr: step size of the outer Adam.
        first_order: treat the inner gradients as constants.
        optimizer: an outer optimiser of your own over the learner's parameters.
    """

    def __init__(
        self,
        learner: nn.Module,
        inner_lr: float = 0.01,
        inner_steps: int = 5,
        *,
        lr: float = 1e-3,
        first_order: bool = False,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        self.learner = learner
        self.inner_lr = inner_lr
        self.inner_steps = inner_steps
        self.first_order = first_order
        trainable = [p for p in learner.parameters() if p.requires_grad]
        self.optimizer = optimizer or torch.optim.Adam(trainable, lr)

    def adapt(self, data: Tensor, labels: Tensor, mask: Tensor | None = None) -> Adapted:
        """The learner adapted to each task of a batch; differentiable with respect to the learner.

        Args:
            data: support inputs, shape (tasks, cases, ...).
            labels: conditions as whole numbers, shape (tasks, cases); or values to regress onto, floating
                point, shape (tasks, cases, outputs).
            mask: 1 for real cases, 0 for padding, shape (tasks, cases).
        """
        ways = 0 if labels.is_floating_point() else int(labels.max()) + 1
        support = _examples(data, labels, mask, ways)
        algorithm = _maml(self.learner, labels, self.inner_lr, self.inner_steps, self.first_order)
        params = _trainable(self.learner)
        _, state = algorithm.init(None)  # type: ignore[arg-type]

        def adapt(support: Examples) -> Adapted:
            return algorithm.adapt(params, state, support, Context(train=True))

        return over_tasks(adapt, support, choose_way(algorithm, params))

    def step(self, meta_loss: Tensor) -> None:
        """Steps the learner down the gradient of the meta-loss."""
        self.optimizer.zero_grad()
        meta_loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


def compute_meta_loss(learner: nn.Module, inner_params: Adapted, batch: Mapping[str, Tensor]) -> Tensor:
    """The mean query loss of the tasks of a batch, each under its own adapted parameters.

    Args:
        learner: the learner that was adapted.
        inner_params: what `MetaOptim.adapt` returned for the batch.
        batch: `data`, `labels`, `query_data`, `query_labels`, tasks first; optionally `mask`, `query_mask`.

    Raises:
        KeyError: the batch lacks one of them; says which.
        ValueError: the batch is padded, and padding was adapted to as if it were cases.
    """
    missing = [key for key in _KEYS if key not in batch]
    if missing:
        raise KeyError(f"the batch lacks {missing}; it needs {list(_KEYS)}, tasks first")
    if "mask" in batch and not torch.equal(batch["mask"].bool(), inner_params.support.mask.bool()):
        raise ValueError("the batch is padded: adapt with `adapt(data, labels, mask=batch['mask'])`")
    ways = inner_params.support.y.shape[-1]
    query = _examples(batch["query_data"], batch["query_labels"], batch.get("query_mask"), ways)
    algorithm = _maml(learner, batch["labels"], 1.0, 0, False)

    def loss(item: tuple[Adapted, Examples]) -> Tensor:
        adapted, truth = item
        return algorithm.loss.value(algorithm.predict({}, {}, adapted, truth.x), truth)

    return over_tasks(
        loss, (inner_params, query), choose_way(algorithm, dict(learner.named_parameters()))
    ).mean()


def _trainable(learner: nn.Module) -> Tensors:
    return {name: p for name, p in learner.named_parameters() if p.requires_grad}


def _maml(learner: nn.Module, labels: Tensor, lr: float, steps: int, first_order: bool) -> MAML:
    loss = SQUARED_ERROR if labels.is_floating_point() else CROSS_ENTROPY
    return MAML(learner, lr, steps, first_order=first_order, loss=loss)


def _examples(data: Tensor, labels: Tensor, mask: Tensor | None, ways: int) -> Examples:
    y = labels if labels.is_floating_point() else F.one_hot(labels.long(), ways).to(data.dtype)
    return Examples(data, y, data.new_ones(labels.shape[:2]) if mask is None else mask)
