"""What a module's output looks like, found by asking it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn


def output_width(module: nn.Module, shape: Sequence[int]) -> int:
    """Columns of the module's output for cases of the given shape; the module is left as it was."""
    like = next(module.parameters(), torch.zeros(()))
    with torch.no_grad():
        return int(copy.deepcopy(module).eval()(like.new_zeros(2, *shape)).shape[-1])
