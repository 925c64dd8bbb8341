"""Losses that take masks: padded cases weigh nothing and padded ways cannot be predicted."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from metadx.errors import UserError
from metadx.tasks import Examples, present

_IMPOSSIBLE = -1e9


class Loss(Protocol):
    """What outputs mean, and how far they are from the truth."""

    name: str
    classification: bool

    def restrict(self, output: Tensor, support: Examples) -> Tensor:
        """The outputs that exist in the task whose support set is given."""

    def value(self, output: Tensor, truth: Examples) -> Tensor:
        """The mean loss over real cases."""

    def score(self, output: Tensor, truth: Examples) -> Tensor:
        """The figure that people read: accuracy, or the mean squared error."""


class CrossEntropy:
    """Mean softmax cross-entropy over the cases, for conditions."""

    name = "cross_entropy"
    classification = True

    def restrict(self, output: Tensor, support: Examples) -> Tensor:
        ways = support.y.shape[-1]
        if output.shape[-1] < ways:
            raise UserError(
                f"the network has {output.shape[-1]} outputs but the task has {ways} ways. "
                f"Build it with at least {ways} outputs, or draw tasks of at most {output.shape[-1]} ways."
            )
        return output[..., :ways].masked_fill(present(support) == 0, _IMPOSSIBLE)

    def value(self, output: Tensor, truth: Examples) -> Tensor:
        return _mean(-(truth.y * torch.log_softmax(output, -1)).sum(-1), truth.mask)

    def score(self, output: Tensor, truth: Examples) -> Tensor:
        right = (output.argmax(-1) == truth.y.argmax(-1)).to(output.dtype)
        return _mean(right, truth.mask)


class SquaredError:
    """Mean squared error over cases and outputs, for regression."""

    name = "squared_error"
    classification = False

    def restrict(self, output: Tensor, support: Examples) -> Tensor:
        return output

    def value(self, output: Tensor, truth: Examples) -> Tensor:
        return _mean((output - truth.y).square().mean(-1), truth.mask)

    def score(self, output: Tensor, truth: Examples) -> Tensor:
        return self.value(output, truth)


def _mean(value: Tensor, mask: Tensor) -> Tensor:
    return (value * mask).sum(-1) / mask.sum(-1).clamp(min=1)


CROSS_ENTROPY: Loss = CrossEntropy()
SQUARED_ERROR: Loss = SquaredError()
LOSSES: dict[str, Loss] = {loss.name: loss for loss in (CROSS_ENTROPY, SQUARED_ERROR)}
