"""What a module's output looks like, found by asking it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def output_width(module: nn.Module, shape: Sequence[int]) -> int:
    """Columns of the module's output for cases of the given shape; the module is left as it was."""
    training = module.training
    module.eval()
    with torch.no_grad():
        width = module(torch.zeros(2, *shape)).shape[-1]
    module.train(training)
    return int(width)
