"""What every side is: a meta-gradient that lands in `.grad`, to be stepped by Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workloads import Problem

META_LR = 1e-3


class Side(NamedTuple):
    """One library on one problem.

    Args:
        parameters: what is meta-learned, in the order of the problem's weights.
        backward: adds the gradient of the mean query loss over all tasks to their `.grad`.
        about: what it ran with, for the row.
        fused: whether its own training steps by torch's fused Adam.
        warm: meta-steps to run before any is measured, on as many threads.
    """

    parameters: list[nn.Parameter] | list[Tensor]
    backward: Callable[[], None]
    about: str = ""
    fused: bool = False
    warm: int = 0


def loss_of(problem: Problem) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy, or squared error for regression."""
    return F.cross_entropy if problem.workload.ways else F.mse_loss


def meta_step(side: Side) -> Callable[[], None]:
    """Forward, inner loop, outer backward, and a step of Adam."""
    optimizer = torch.optim.Adam(side.parameters, META_LR, fused=side.fused)

    def step() -> None:
        optimizer.zero_grad()
        side.backward()
        optimizer.step()

    return step
