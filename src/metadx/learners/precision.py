"""In which precision networks compute; what is around them stays in that of their tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Forward = TypeVar("Forward", bound=Callable[[Any, Tensor], Tensor])
_dtype: ContextVar[torch.dtype | None] = ContextVar("dtype", default=None)


@contextmanager
def networks_in(dtype: torch.dtype | None) -> Iterator[None]:
    """While it is open, networks of float32 parameters compute their products and convolutions in `dtype`.

    Their norms, what they give, and everything that is made of it stay in float32: losses, heads that are solved
    for, gradients.

    Args:
        dtype: as of `torch.autocast`; None changes nothing.
    """
    token = _dtype.set(dtype)
    try:
        yield
    finally:
        _dtype.reset(token)


def networks_dtype() -> torch.dtype | None:
    """What networks are to compute in now; None for the precision of their parameters."""
    return _dtype.get()


@contextmanager
def reduced(device: torch.device) -> Iterator[torch.dtype | None]:
    """The precision that a network on this device is to compute in, at work while it is open; None for its own."""
    dtype = _dtype.get()
    if dtype is None:
        yield None
        return
    # without a cache: a cast that was made without a graph has no gradient
    with torch.autocast(device.type, dtype, cache_enabled=False):
        yield dtype


def as_products(*tensors: Tensor | None) -> tuple[Any, ...]:
    """Tensors as `torch.autocast` gives them to a product."""
    found = next(t for t in tensors if t is not None).device.type
    if not _autocasts(found):
        return tensors
    dtype = torch.get_autocast_dtype(found)
    return tuple(t.to(dtype) if t is not None and t.dtype == torch.float32 else t for t in tensors)


def in_float32(forward: Forward) -> Forward:
    """A layer that computes in float32 at least, where `torch.autocast` is at work too."""

    @wraps(forward)
    def exact(layer: Any, x: Tensor) -> Tensor:
        if not _autocasts(x.device.type):
            return forward(layer, x)
        with torch.autocast(x.device.type, enabled=False):
            return forward(layer, x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    return exact  # type: ignore[return-value]


def _autocasts(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
