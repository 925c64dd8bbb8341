"""Convolutions of tasks with weights of their own as one batched product of matrices.

Where a task has few outputs, as deep in a network, starting a convolution for each task takes longer than the
arithmetic. Gathering what each output sees into a row (im2col) makes all tasks one product.
"""

from __future__ import annotations

import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

Where = tuple[tuple[int, ...], tuple[int, ...]]
"""Stride and padding of each side."""

_PLACES = 128  # outputs per task and channel, of all cases, up to which the product is faster


def pays(out: torch.Size) -> bool:
    """Whether the product is the faster way to outputs of this shape, (tasks, cases, channels, sides...)."""
    return len(out) == 5 and out[0] > 1 and out[1] * math.prod(out[3:]) <= _PLACES


def out_shape(x: Tensor, weight: Tensor, where: Where) -> torch.Size:
    """The shape of a convolution, (tasks, cases, outputs, sides...)."""
    sides = [
        (side + 2 * pad - kernel) // stride + 1
        for side, kernel, stride, pad in zip(x.shape[3:], weight.shape[3:], *where, strict=True)
    ]
    return torch.Size((*x.shape[:2], weight.shape[1], *sides))


def forward(x: Tensor, weight: Tensor, where: Where) -> Tensor:
    """The convolution: x (tasks, cases, channels, height, width), weight (tasks, outputs, channels, kernel)."""
    tasks, cases, outputs, *sides = out_shape(x, weight, where)
    out = torch.bmm(_columns(x, weight.shape[3:], sides, where), _matrix(weight).mT)
    return out.view(tasks, cases, *sides, outputs).permute(0, 1, 4, 2, 3)


def to_weight(above: Tensor, x: Tensor, kernel: torch.Size, where: Where) -> Tensor:
    """The gradient with respect to the weight."""
    columns = _columns(x, kernel, above.shape[3:], where)
    found = torch.bmm(_places(above).mT, columns)
    return found.view(len(x), above.shape[2], *kernel, x.shape[2]).permute(0, 1, 4, 2, 3)


def to_input(above: Tensor, shape: torch.Size, weight: Tensor, where: Where) -> Tensor:
    """The gradient with respect to the input, which has the shape."""
    (down, right), (top, left) = where
    (high, wide), (rows, columns) = weight.shape[3:], above.shape[3:]
    tasks, cases, channels, height, width = shape
    each = torch.bmm(_places(above), _matrix(weight)).view(tasks, cases, rows, columns, high, wide, channels)
    padded = above.new_zeros(tasks, cases, height + 2 * top, width + 2 * left, channels)
    for i, j in product(range(high), range(wide)):
        seen = padded[:, :, i : i + down * rows : down, j : j + right * columns : right]
        seen += each[:, :, :, :, i, j]
    return padded[:, :, top : top + height, left : left + width].permute(0, 1, 4, 2, 3)


def _columns(x: Tensor, kernel: torch.Size, sides: torch.Size | list[int], where: Where) -> Tensor:
    """What each output sees, as a row: (tasks, cases x sides, kernel x channels)."""
    (down, right), (top, left) = where
    padded = F.pad(x.permute(0, 1, 3, 4, 2), (0, 0, left, left, top, top)).contiguous()
    task, case, row, column, channel = padded.stride()
    windows = padded.as_strided(
        (*x.shape[:2], *sides, *kernel, x.shape[2]),
        (task, case, down * row, right * column, row, column, channel),
    )
    return windows.reshape(len(x), x.shape[1] * math.prod(sides), math.prod(kernel) * x.shape[2])


def _matrix(weight: Tensor) -> Tensor:
    """Shape (tasks, outputs, kernel x channels)."""
    return weight.permute(0, 1, 3, 4, 2).flatten(2)


def _places(x: Tensor) -> Tensor:
    """Shape (tasks, cases x sides, channels)."""
    return x.permute(0, 1, 3, 4, 2).flatten(1, 3)
