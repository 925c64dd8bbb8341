"""Normalisation whose statistics come from exactly the cases they should come from.

Which cases those are is not a property of a layer but of the question asked (inductive: the support set;
transductive: the query set), so it is set for the whole network while it runs, by `statistics_from`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import torch
from torch import Tensor, nn

from metadx.learners.convolve import OWN
from metadx.learners.normalise import normalise, normalise_groups
from metadx.learners.precision import in_float32

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

    Its derivatives are `normalise`'s own, because vmap over the fused kernels gives wrong second-order gradients
    (pytorch/functorch#534), and autograd of plain arithmetic is slow.

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

    @in_float32
    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = x.new_ones(channels) if self.weight is None else self.weight
        bias = x.new_zeros(channels) if self.bias is None else self.bias
        out, mean, variance = normalise(x, weight, bias, _mask.get(), self.eps)
        seen = _seen.get()
        if seen is not None:
            seen[self] = (mean, variance)
        return out


class LayerNorm(nn.LayerNorm):
    """torch's, written out, because vmap over the fused kernels gives wrong second-order gradients
    (pytorch/functorch#534)."""

    @in_float32
    def forward(self, x: Tensor) -> Tensor:
        over = tuple(range(-len(self.normalized_shape), 0))
        centred = x - x.mean(over, keepdim=True)
        out = centred * (centred.square().mean(over, keepdim=True) + self.eps).rsqrt()
        if self.weight is not None:
            out = out * self.weight
        return out if self.bias is None else out + self.bias


class GroupNorm(nn.GroupNorm):
    """torch's, differentiated as `normalise_groups` is."""

    @in_float32
    def forward(self, x: Tensor) -> Tensor:
        out = normalise_groups(x, self.num_groups, self.eps)
        if not self.affine:
            return out
        column = (1, -1) + (1,) * (x.dim() - 2)
        return torch.addcmul(self.bias.view(column), out, self.weight.view(column))


_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_WRITTEN_OUT: dict[type[nn.Module], type[nn.Module]] = {
    nn.LayerNorm: LayerNorm,
    nn.GroupNorm: GroupNorm,
} | OWN


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

    @in_float32
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


def replace_layers(module: nn.Module) -> nn.Module:
    """The module with layers of torch inside it, or it itself, replaced by ours of the same weights.

    torch's batch norms update their running statistics in place, which would let one task leak into the next; its
    other fused norms have wrong second-order gradients under `vmap`, and its convolutions slow ones.
    """

    def ours(layer: nn.Module) -> nn.Module | None:
        made: Any
        if isinstance(layer, _TORCHS):
            made = BatchNorm(layer.num_features, layer.affine, layer.eps)
        elif isinstance(layer, _INSTANCE):
            made = GroupNorm(layer.num_features, layer.num_features, layer.eps, layer.affine)
        elif type(layer) in _WRITTEN_OUT:
            made = copy.copy(layer)
            made.__class__ = _WRITTEN_OUT[type(layer)]
            return cast(nn.Module, made)
        else:
            return None
        if layer.affine:
            made.weight, made.bias = layer.weight, layer.bias
        return cast(nn.Module, made)

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
