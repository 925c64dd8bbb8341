"""Derivatives that may not be differentiated again say so.

torch's own `once_differentiable` is silent where the gradient by a chosen tensor is asked for: its error stands on
no path to that tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def last_derivative(found: Sequence[Tensor], of: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """Gradients as they are; differentiating them by what they are functions of raises.

    Args:
        found: gradients that were computed without a graph.
        of: the tensors that they are functions of.
    """
    if not torch.is_grad_enabled():
        return tuple(found)
    guarded: tuple[Tensor, ...] = _Last.apply(len(found), *found, *(t for t in of if t is not None))
    return guarded


class _Last(Function):
    @staticmethod
    def forward(count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.view_as(t) for t in tensors[:count])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> Any:
        raise RuntimeError(
            "differentiated once more than metadx can: its convolutions and norms know two derivatives, recomputed "
            "inner steps one"
        )
