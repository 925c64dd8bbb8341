"""Normalisation whose statistics come from exactly the cases they should come from.

Which cases those are is not a property of a layer but of the question asked (inductive: the support set;
transductive: the query set), so it is set for the whole network while it runs, by `statistics_from`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_mask: ContextVar[Tensor | None] = ContextVar("mask", default=None)


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
    """Batch normalisation by statistics that were stored in training, as constants; scale and shift stay trainable.

    Args:
        norm: torch's layer, which has running statistics.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        self.eps = norm.eps
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", norm.running_mean.detach().clone())
        self.register_buffer("variance", norm.running_var.detach().clone())
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        column = (1, -1) + (1,) * (x.dim() - 2)
        scale = (self.variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shift = -self.mean * scale
        if self.bias is not None:
            shift = shift + self.bias
        return x * scale.view(column) + shift.view(column)


def keep_statistics(module: nn.Module) -> nn.Module:
    """The module with every torch batch norm inside it, or it itself, replaced by a `KeptNorm` of its weights.

    For pretrained networks: the statistics of a handful of support cases are a poor stand-in for those of a million
    pictures. A batch norm without running statistics stays, and takes them from the support set.
    """
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm):
        return module if module.running_mean is None else KeptNorm(module)
    for name, child in module._modules.items():  # a layer used twice appears twice, unlike in named_children
        if child is not None:
            module._modules[name] = keep_statistics(child)
    return module


def replace_batch_norm(module: nn.Module) -> nn.Module:
    """The module with every torch batch norm inside it, or it itself, replaced by a `BatchNorm` of its weights.

    torch's own layers update their running statistics in place, which would let one task leak into the next.
    """
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm):
        ours = BatchNorm(module.num_features, module.affine, module.eps)
        if module.affine:
            ours.weight, ours.bias = module.weight, module.bias
        return ours
    for name, child in module._modules.items():  # a layer used twice appears twice, unlike in named_children
        if child is not None:
            module._modules[name] = replace_batch_norm(child)
    return module
