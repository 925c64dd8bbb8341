"""Convolutions of tasks with weights of their own as one batched product of matrices.

On a CPU, where a task has few outputs, as deep in a network, starting a convolution for each task takes longer than
the arithmetic. A GPU takes groups of channels, as which tasks could go there, one after the other. Gathering what
each output sees into a row (im2col) makes all tasks one product.
"""

from __future__ import annotations

import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

Where = tuple[tuple[int, ...], tuple[int, ...]]
"""Stride and padding of each side."""

_PLACES = 128  # outputs per task and channel, of all cases, up to which the product is faster on a CPU
_GATHERED = 1 << 27  # numbers that a GPU may gather


def pays(out: torch.Size, weight: Tensor) -> bool:
    """Whether the product is the faster way to outputs of this shape, (tasks, cases, channels, sides...)."""
    places = out[1] * math.prod(out[3:])
    if weight.device.type == "cpu":
        return len(out) == 5 and out[0] > 1 and places <= _PLACES
    return out[0] > 1 and out[0] * places * weight[0, 0].numel() <= _GATHERED


def out_shape(x: Tensor, weight: Tensor, where: Where) -> torch.Size:
    """The shape of a convolution, (tasks, cases, outputs, sides...)."""
    sides = [
        (side + 2 * pad - kernel) // stride + 1
        for side, kernel, stride, pad in zip(x.shape[3:], weight.shape[3:], *where, strict=True)
    ]
    return torch.Size((*x.shape[:2], weight.shape[1], *sides))


def forward(x: Tensor, weight: Tensor, where: Where) -> Tensor:
    """The convolution: x (tasks, cases, channels, sides...), weight (tasks, outputs, channels, kernel...)."""
    tasks, cases, outputs, *sides = out_shape(x, weight, where)
    out = torch.bmm(_columns(x, weight.shape[3:], sides, where), _matrix(weight).mT)
    return _channels_first(out.view(tasks, cases, *sides, outputs))


def to_weight(above: Tensor, x: Tensor, kernel: torch.Size, where: Where) -> Tensor:
    """The gradient with respect to the weight."""
    columns = _columns(x, kernel, above.shape[3:], where)
    found = torch.bmm(_places(above).mT, columns)
    return _channels_first(found.view(len(x), above.shape[2], *kernel, x.shape[2]))


def to_input(above: Tensor, shape: torch.Size, weight: Tensor, where: Where) -> Tensor:
    """The gradient with respect to the input, which has the shape."""
    (stride, padding), kernel, places = where, weight.shape[3:], above.shape[3:]
    tasks, cases, channels, *sides = shape
    each = torch.bmm(_places(above), _matrix(weight)).view(tasks, cases, *places, *kernel, channels)
    wide = [side + 2 * pad for side, pad in zip(sides, padding, strict=True)]
    padded = above.new_zeros(tasks, cases, *wide, channels)
    by_offset = each.movedim([*range(-1 - len(kernel), -1)], [*range(len(kernel))])
    for at in product(*map(range, kernel)):
        seen = [slice(i, i + s * n, s) for i, s, n in zip(at, stride, places, strict=True)]
        padded[:, :, *seen] += by_offset[at]
    inner = [slice(pad, pad + side) for pad, side in zip(padding, sides, strict=True)]
    return _channels_first(padded[:, :, *inner])


def _columns(x: Tensor, kernel: torch.Size, places: torch.Size | list[int], where: Where) -> Tensor:
    """What each output sees, as a row: (tasks, cases x places, kernel x channels)."""
    stride, padding = where
    around = [pad for one in reversed(padding) for pad in (one, one)]
    padded = F.pad(_channels_last(x), (0, 0, *around)).contiguous()
    task, case, *sides, channel = padded.stride()
    steps = [by * side for by, side in zip(stride, sides, strict=True)]
    windows = padded.as_strided(
        (*x.shape[:2], *places, *kernel, x.shape[2]), (task, case, *steps, *sides, channel)
    )
    return windows.reshape(len(x), x.shape[1] * math.prod(places), math.prod(kernel) * x.shape[2])


def _matrix(weight: Tensor) -> Tensor:
    """Shape (tasks, outputs, kernel x channels)."""
    return _channels_last(weight).flatten(2)


def _places(x: Tensor) -> Tensor:
    """Shape (tasks, cases x sides, channels)."""
    return _channels_last(x).flatten(1, -2)


def _channels_last(x: Tensor) -> Tensor:
    """Shape (tasks, cases, sides..., channels)."""
    return x.movedim(2, -1)


def _channels_first(x: Tensor) -> Tensor:
    """Shape (tasks, cases, channels, sides...)."""
    return x.movedim(-1, 2)
