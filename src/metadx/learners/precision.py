"""In which precision networks compute; whatever is around them stays in that of its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

_reduced: ContextVar[torch.dtype | None] = ContextVar("reduced", default=None)


@contextmanager
def networks_in(dtype: torch.dtype | None) -> Iterator[None]:
    """While it is open, networks of float32 parameters do their products and convolutions in `dtype`, by
    `torch.autocast`. What they give is float32, and so are their norms, losses, closed-form heads and gradients.

    Args:
        dtype: such as `torch.bfloat16`; None changes nothing.
    """
    token = _reduced.set(dtype)
    try:
        yield
    finally:
        _reduced.reset(token)


def reduced(device: torch.device) -> Any:
    """What a network runs within on a device, and leaves for what it gives."""
    dtype = _reduced.get()
    # casts are not cached: a cast that was made without a graph would have no gradient
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype, cache_enabled=False)


def as_products(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors in the precision that `torch.autocast` would give them in a product, if it is at work."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(t.to(dtype) if t.dtype == torch.float32 else t for t in tensors)
