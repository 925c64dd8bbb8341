"""Batch normalisation with its first and second derivatives written down, in few passes over memory.

Differentiated by autograd, normalisation written out goes over the activations many times for a
second-order meta-gradient, which is much of the time of a small convolutional network. Here x is scaled and shifted
per channel,

    y = weight x̂ + bias,   x̂ = rstd (x - mean),

with statistics over cases and sides in which each case has its share, and every derivative is a sum of x,
the gradients and a constant, each times a number per channel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from metadx.learners.convolve import by_task, merged
from metadx.learners.once import last_derivative

_native = torch.ops.aten.native_batch_norm.out
_native_backward = torch.ops.aten.native_batch_norm_backward


def normalise(
    x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalises each channel by its mean and variance, then scales and shifts it; twice differentiable.

    Gives the mean and variance too, as constants.

    Args:
        x: shape (cases, channels, sides...).
        weight, bias: shape (channels,).
        mask: 1 for the cases that the statistics come from, 0 for the others, shape (cases,); None for all.
        eps: added to the variance.
    """
    share = None if mask is None else _shares(mask[None], x[None])
    out, mean, rstd = _Normalise.apply(x[None], weight[None], bias[None], share, eps)
    return out.squeeze(0), mean.squeeze(0), rstd.squeeze(0).pow(-2) - eps


def normalise_groups(x: Tensor, groups: int, eps: float) -> Tensor:
    """Normalises each group of channels of each case by its own mean and variance; twice differentiable.

    Args:
        x: shape (cases, channels, sides...).
        groups: number of groups of neighbouring channels.
        eps: added to the variance.
    """
    grouped = x.reshape(len(x), 1, groups, x.shape[1:].numel() // groups)
    one = x.new_ones(1, 1).expand(len(x), groups)
    out: Tensor = _Normalise.apply(grouped, one, one - 1, None, eps)[0]
    return out.view(x.shape)


class _Normalise(Function):
    """x: (tasks, cases, channels, sides...); weight, bias: (tasks, channels); share: (tasks, cases) or None."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor, share: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        if share is None and _by_kernel(x):
            out, (mean, rstd) = torch.empty_like(x), weight.new_empty(2, *weight.shape)
            for i in range(len(x)):
                task = x[i], weight[i], bias[i]
                parts = {"out": out[i], "save_mean": mean[i], "save_invstd": rstd[i]}
                _native(*task, None, None, True, 0.0, eps, **parts)
            return out, mean, rstd
        mean = _average(x, share)
        centred = x - _wide(mean, x)
        rstd = (_average(centred.square(), share) + eps).rsqrt()
        return torch.addcmul(_wide(bias, x), centred, _wide(weight * rstd, x)), mean, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, _, share, ctx.eps = inputs
        _, mean, rstd = output
        ctx.mark_non_differentiable(mean, rstd)
        ctx.save_for_backward(x, weight, share, mean, rstd)

    @staticmethod
    def backward(ctx: Any, above: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, share, mean, rstd = ctx.saved_tensors
        to_x, to_weight, to_bias = _Backward.apply(above, x, weight, share, mean, rstd, ctx.eps)
        return to_x, to_weight, to_bias, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        x, weight, bias, share, eps = merged(info.batch_size, in_dims, args)
        share = None if share is None else _shares(share, x)
        out = _Normalise.apply(x, weight, bias, share, eps)
        return tuple(by_task(t, info.batch_size) for t in out), (0, 0, 0)


class _Backward(Function):
    """The gradient of `_Normalise`, in which mean and rstd are the functions of x that they are."""

    @staticmethod
    def forward(
        above: Tensor, x: Tensor, weight: Tensor, share: Tensor | None, mean: Tensor, rstd: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        if share is None and _by_kernel(x):
            above = _as_laid_out(above, x)
            if len(x) == 1:
                task = above[0], x[0], weight[0], None, None, mean[0], rstd[0]
                return tuple(t.unsqueeze(0) for t in _native_backward(*task, True, eps, [True] * 3))
            to_x, (to_weight, to_bias) = torch.empty_like(x), weight.new_empty(2, *weight.shape)
            for i in range(len(x)):
                task = above[i], x[i], weight[i], None, None, mean[i], rstd[i]
                to_x[i], to_weight[i], to_bias[i] = _native_backward(*task, True, eps, [True] * 3)
            return to_x, to_weight, to_bias
        sum0 = _total(above)
        sum1 = rstd * (_total(above * x) - mean * sum0)
        scale = weight * rstd
        to_x = above * _wide(scale, x)
        _add_shares(to_x, share, scale * (rstd * mean * sum1 - sum0), (x, -scale * rstd * sum1))
        return to_x, sum1, sum0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        above, x, weight, share, mean, rstd, _ = inputs
        _, sum1, sum0 = output
        ctx.save_for_backward(above, x, weight, share, mean, rstd, sum0, sum1)

    @staticmethod
    def backward(
        ctx: Any, along_x: Tensor, along_weight: Tensor, along_bias: Tensor
    ) -> tuple[Tensor | None, ...]:
        above, x, weight, share, mean, rstd, sum0, sum1 = ctx.saved_tensors
        along = (along_x, along_weight, along_bias)
        with torch.no_grad():
            found = _second(*along, above, x, weight, share, mean, rstd, sum0, sum1)
        to_above, to_x, to_weight = last_derivative(found, (*along, above, x, weight))
        return to_above, to_x, to_weight, None, None, None, None


def _second(
    along_x: Tensor,
    along_weight: Tensor,
    along_bias: Tensor,
    above: Tensor,
    x: Tensor,
    weight: Tensor,
    share: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    sum0: Tensor,
    sum1: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of what `_Backward` gives, along three directions, by above, x and weight.

    Args:
        sum0, sum1: the sums of above, and of above times x̂.
    """
    scale = weight * rstd
    along0 = _average(along_x, share)
    along1 = rstd * (_average(along_x * x, share) - mean * along0)
    error = _total(along_x * above) - along0 * sum0 - along1 * sum1
    turned = along_weight - scale * along1
    constant = along_bias - scale * along0 - rstd * mean * turned
    to_above = torch.addcmul(_wide(constant, x), along_x, _wide(scale, x)).addcmul_(
        x, _wide(rstd * turned, x)
    )
    to_x = above * _wide(rstd * turned, x)
    past0 = turned * sum0 - scale * along0 * sum1
    past1 = turned * sum1 - scale * along1 * sum1 + scale * error
    _add_shares(
        to_x,
        share,
        rstd * (rstd * mean * past1 - past0),
        (x, -rstd.square() * past1),
        (along_x, -rstd * scale * sum1),
    )
    return to_above, to_x, rstd * error


def _by_kernel(x: Tensor) -> bool:
    """Whether torch's own kernel, which takes one task, and a case at least, is faster task by task.

    Groups are a task for each case.
    """
    return x.numel() > 0 and (len(x) == 1 or (x.shape[1] > 1 and x.device.type == "cpu"))


def _shares(mask: Tensor, x: Tensor) -> Tensor | None:
    """What each case counts for in the statistics, shape (tasks, cases); None where all count the same."""
    if not torch._C._are_functorch_transforms_active() and mask.device.type == "cpu" and bool(mask.all()):
        return None
    mask = mask.to(x.dtype)
    cases = mask.sum(-1, keepdim=True)  # of none nothing is known: NaN
    return mask / (cases * math.prod(x.shape[3:]))


def _total(x: Tensor) -> Tensor:
    """Sums over cases and sides, shape (tasks, channels)."""
    return x.sum((1, *range(3, x.dim())))


def _average(x: Tensor, share: Tensor | None) -> Tensor:
    """Means over the cases that count, and over sides, shape (tasks, channels)."""
    if share is None:
        return x.mean((1, *range(3, x.dim())))
    sides = tuple(range(3, x.dim()))
    return (share.unsqueeze(1) @ (x.sum(sides) if sides else x)).squeeze(1)


def _wide(per_channel: Tensor, x: Tensor) -> Tensor:
    """Shape (tasks, channels) as it broadcasts over x."""
    return per_channel.view(len(per_channel), 1, per_channel.shape[1], *(1,) * (x.dim() - 3))


def _add_shares(to: Tensor, share: Tensor | None, constant: Tensor, *terms: tuple[Tensor, Tensor]) -> None:
    """Adds, to each case in its share, a constant and tensors times numbers, all per channel."""
    if share is None:
        each = to.shape[2] / math.prod(to.shape[1:])
        to.add_(_wide(constant * each, to))
        for x, factor in terms:
            to.addcmul_(x, _wide(factor * each, to))
        return
    part = share.view(*share.shape, *(1,) * (to.dim() - 2))
    to.addcmul_(part, _wide(constant, to))
    for x, factor in terms:
        to.addcmul_(x, part * _wide(factor, to))


def _as_laid_out(x: Tensor, other: Tensor) -> Tensor:
    """The tensor, laid out in memory as the other one of its shape is: mixed layouts are many times slower."""
    return x if x.stride() == other.stride() else torch.empty_like(other).copy_(x)
