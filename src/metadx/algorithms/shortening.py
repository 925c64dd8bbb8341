"""How long a Newton step should be: whole steps can run away with many ways and a weak prior."""

from __future__ import annotations

import torch
from torch import Tensor

LENGTHS = (1.0, 0.5, 0.25, 0.125)
"""Parts of a step that are tried, the whole one first."""

_EQUAL = 1e-9


def longest_of_the_best(losses: Tensor) -> Tensor:
    """The longest step of those with the least loss, one-hot, shape (lengths,).

    Losses that differ by rounding are equal: near the minimum only the whole step converges quickly. There is no
    branch on data, so that it runs under `torch.func.vmap`.

    Args:
        losses: after a step of each of `LENGTHS`, shape (lengths,).
    """
    least = losses.min()
    best = (losses <= least + _EQUAL * (1 + least.abs())).to(torch.int8).argmax()
    return torch.nn.functional.one_hot(best, len(LENGTHS)).to(losses.dtype)
