"""Normalisation whose statistics come from exactly the cases they should come from.

Which cases those are is not a property of a layer but of the question asked (inductive: the support set;
transductive: the query set), so it is set for the whole network while it runs, by `statistics_from`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

Seen = dict[nn.Module, tuple[Tensor, Tensor]]
_mask: ContextVar[Tensor | None] = ContextVar("mask", default=None)
_seen: ContextVar[Seen | None] = ContextVar("seen", default=None)


@contextmanager
def statistics_from(mask: Tensor | None) -> Iterator[None]:
    """While it is open, every `BatchNorm` takes mean and variance over the rows of the batch where `mask` is 1.

    Args:
        mask: shape (batch,); None means every row.
    """
    token = _mask.set(mask)
    try:
        yield
    finally:
        _mask.reset(token)


@contextmanager
def statistics_seen() -> Iterator[Seen]:
    """While it is open, mean and variance of every `BatchNorm` are entered here, shape (channels,) each."""
    seen: Seen = {}
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


class BatchNorm(nn.Module):
    """Batch normalisation by the statistics of the batch at hand; it keeps no running statistics.

    Written out instead of fused, because vmap over the fused kernels gives wrong second-order gradients
    (pytorch/functorch#534).

    Args:
        channels: size of dimension 1 of the input, shape (batch, channels, ...).
        affine: learn a scale and shift per channel.
        eps: added to the variance.
    """

    def __init__(self, channels: int, affine: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        over = [0, *range(2, x.dim())]
        column = (1, -1) + (1,) * (x.dim() - 2)
        mask = _mask.get()
        if mask is None:
            mean = x.mean(over, keepdim=True)
            variance = (x - mean).square().mean(over, keepdim=True)
        else:
            weight = mask.view(-1, *(1,) * (x.dim() - 1)).to(x.dtype)
            count = weight.sum() * math.prod(x.shape[2:])  # NaN without a case: nothing is known
            mean = (x * weight).sum(over, keepdim=True) / count
            variance = ((x - mean).square() * weight).sum(over, keepdim=True) / count
        seen = _seen.get()
        if seen is not None:
            seen[self] = (mean.flatten(), variance.flatten())
        out = (x - mean) * (variance + self.eps).rsqrt()
        if self.weight is None or self.bias is None:
            return out
        return out * self.weight.view(column) + self.bias.view(column)


class LayerNorm(nn.Module):
    """Layer normalisation over the last dimension, written out for the same reason as `BatchNorm`."""

    def __init__(self, size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return centred * scale * self.weight + self.bias


class KeptNorm(nn.Module):
    """Batch normalisation by statistics that are kept, as constants; scale and shift stay trainable.

    Args:
        mean, variance: of every channel, shape (channels,).
        weight, bias: scale and shift, or None.
        eps: added to the variance.
    """

    def __init__(
        self,
        mean: Tensor,
        variance: Tensor,
        weight: nn.Parameter | None = None,
        bias: nn.Parameter | None = None,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("variance", variance.detach().clone())
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        column = (1, -1) + (1,) * (x.dim() - 2)
        scale = (self.variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shift = -self.mean * scale
        if self.bias is not None:
            shift = shift + self.bias
        return torch.addcmul(shift.view(column), x, scale.view(column))


_TORCHS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def keep_statistics(module: nn.Module) -> nn.Module:
    """The module with every torch batch norm inside it, or it itself, replaced by a `KeptNorm` of what it holds.

    For pretrained networks: the statistics of a handful of support cases are a poor stand-in for those of a million
    pictures. A batch norm without running statistics stays, and takes them from the support set.
    """

    def kept(norm: nn.Module) -> nn.Module | None:
        if not isinstance(norm, _TORCHS) or norm.running_mean is None or norm.running_var is None:
            return None
        return KeptNorm(norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps)

    return _replaced(module, kept)


def replace_batch_norm(module: nn.Module) -> nn.Module:
    """The module with every torch batch norm inside it, or it itself, replaced by a `BatchNorm` of its weights.

    torch's own layers update their running statistics in place, which would let one task leak into the next.
    """

    def ours(norm: nn.Module) -> nn.Module | None:
        if not isinstance(norm, _TORCHS):
            return None
        made = BatchNorm(norm.num_features, norm.affine, norm.eps)
        if norm.affine:
            made.weight, made.bias = norm.weight, norm.bias
        return made

    return _replaced(module, ours)


def take_statistics(module: nn.Module) -> nn.Module:
    """The module with every `BatchNorm` inside it, or it itself, replaced by a `KeptNorm` of its weights.

    Mean and variance are still 0 and 1 then: they are given from outside, as every other tensor is.
    """

    def given(norm: nn.Module) -> nn.Module | None:
        if not isinstance(norm, BatchNorm):
            return None
        zeros = torch.zeros(norm.channels) if norm.weight is None else torch.zeros_like(norm.weight)
        return KeptNorm(zeros, zeros + 1, norm.weight, norm.bias, norm.eps)

    return _replaced(module, given)


def _replaced(module: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """The module with those inside it, or it itself, for which `make` gives another, replaced by that."""
    made = make(module)
    if made is not None:
        return made
    for name, child in module._modules.items():  # a layer used twice appears twice, unlike in named_children
        if child is not None:
            module._modules[name] = _replaced(child, make)
    return module
