"""Pictures changed at random without changing what they show, in meta-training and where evaluation asks for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metadx.errors import UserError, nearest
from metadx.tasks.task import Task

Augment = Callable[[Tensor, np.random.Generator], Tensor]
"""Maps pictures, shape (cases, channels, height, width), to as many of the same shape."""


class Augments(NamedTuple):
    """How the inputs of a task are changed, every case by itself; None leaves them as they are."""

    support: Augment | None
    query: Augment | None

    def changed(self, task: Task, rng: np.random.Generator) -> Task:
        """The task with changed inputs, those of the support set first."""
        pairs = zip(task, self, strict=True)
        return Task(*(part if f is None else part._replace(x=f(part.x, rng)) for part, f in pairs))


_TILT = math.radians(15)
_LEAST_SIDE = 0.8
_BRIGHTER, _CONTRAST = 0.1, 0.2


def flip(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirrors every other picture, left to right."""
    mirrored = _column(torch.from_numpy(rng.random(len(x)) < 0.5))
    return torch.where(mirrored, x.flip(-1), x)


def rotate(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Turns each picture by 0, 90, 180 or 270 degrees; pictures that are not square by 0 or 180."""
    square = x.shape[-1] == x.shape[-2]
    turns = rng.integers(0, 4, len(x)) if square else 2 * rng.integers(0, 2, len(x))
    out = x.clone()
    for k in (1, 2, 3):
        chosen = torch.from_numpy(turns == k)
        if chosen.any():
            out[chosen] = torch.rot90(x[chosen], k, (-2, -1))
    return out


def tilt(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Turns each picture by up to 15 degrees either way; what comes into view is a reflection."""
    return _sample(x, rng.uniform(-_TILT, _TILT, len(x)), np.ones(len(x)), np.zeros((len(x), 2)))


def crop(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Cuts a rectangle of 80 to 100 % of the sides out of each picture, anywhere, and enlarges it to the whole."""
    side = rng.uniform(_LEAST_SIDE, 1, len(x))
    return _sample(x, np.zeros(len(x)), side, rng.uniform(-1, 1, (len(x), 2)) * (1 - side)[:, None])


def intensity(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Changes the brightness of each picture by up to 0.1 and its contrast by up to 20 %, within 0 to 1."""
    shift = _column(torch.from_numpy(rng.uniform(-_BRIGHTER, _BRIGHTER, len(x)))).to(x.dtype)
    scale = _column(torch.from_numpy(rng.uniform(1 - _CONTRAST, 1 + _CONTRAST, len(x)))).to(x.dtype)
    middle = x.mean((-3, -2, -1), keepdim=True)
    return ((x - middle) * scale + middle + shift).clamp(0, 1)


AUGMENTATIONS: dict[str, Augment] = {
    "flip": flip,
    "rotate": rotate,
    "tilt": tilt,
    "crop": crop,
    "intensity": intensity,
}


def augmentation(names: Sequence[str], shape: Sequence[int]) -> Augment | None:
    """The named changes one after the other, every case by itself; None where none is named.

    Args:
        shape: of one input.

    Raises:
        UserError: an unknown name, or inputs that are no pictures.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise UserError(f"unknown augmentation '{name}'; {nearest(name, AUGMENTATIONS)}")
    if not names:
        return None
    if len(shape) != 3:
        raise UserError(
            f"augmentations ({', '.join(names)}) change pictures, not inputs of shape {tuple(shape)}"
        )

    def augment(x: Tensor, rng: np.random.Generator) -> Tensor:
        for name in names:
            x = AUGMENTATIONS[name](x, rng)
        return x

    return augment


def augmentations(support: Sequence[str], query: Sequence[str], shape: Sequence[int]) -> Augments | None:
    """The named changes of support and query inputs; None where none is named. Raises like `augmentation`."""
    if not (support or query):
        return None
    return Augments(augmentation(support, shape), augmentation(query, shape))


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _sample(
    x: Tensor, angle: NDArray[np.float64], scale: NDArray[np.float64], shift: NDArray[np.float64]
) -> Tensor:
    """Each picture seen through a turned, scaled and shifted window; angles in radians, shifts in half sides."""
    ratio = x.shape[-2] / x.shape[-1]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    rows = [[cos, -sin * ratio, shift[:, 0]], [sin / ratio, cos, shift[:, 1]]]
    window = torch.from_numpy(np.array(rows).transpose(2, 0, 1)).to(x.dtype)
    grid = F.affine_grid(window, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
