"""Pictures changed at random without changing what they show, in meta-training and where evaluation asks for it.

What is random is drawn on the processor, case by case; the pictures are changed wherever they lie, all together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metadx.errors import UserError, nearest
from metadx.tasks.task import Task

Augment = Callable[[Tensor, np.random.Generator], Tensor]
"""Maps pictures, shape (cases, channels, height, width), to as many of the same shape."""

Numbers = NDArray[Any]


class Augments(NamedTuple):
    """How the inputs of a task are changed, every case by itself; None leaves them as they are."""

    support: Augment | None
    query: Augment | None

    def changed(self, task: Task, rng: np.random.Generator) -> Task:
        """The task with changed inputs, those of the support set first."""
        pairs = zip(task, self, strict=True)
        return Task(*(part if f is None else part._replace(x=f(part.x, rng)) for part, f in pairs))


@dataclass(frozen=True)
class Change:
    """One change of pictures.

    Args:
        draw: numbers that say how each of so many pictures of a shape (channels, height, width) is changed, shape
            (cases, ...).
        apply: changes pictures as the numbers say.
    """

    draw: Callable[[np.random.Generator, int, Sequence[int]], Numbers]
    apply: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        return self.apply(x, torch.from_numpy(self.draw(rng, len(x), x.shape[1:])).to(x.device))


@dataclass(frozen=True)
class Changes:
    """Changes of pictures one after the other, every case by itself.

    Args:
        each: the changes.
        shape: of one picture.
    """

    each: tuple[Change, ...]
    shape: tuple[int, ...]

    def draw(self, rng: np.random.Generator, cases: int) -> tuple[Numbers, ...]:
        """How each of so many pictures is changed, by every change in turn."""
        return tuple(change.draw(rng, cases, self.shape) for change in self.each)

    def apply(self, x: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """The pictures changed as the numbers say, on the device where both are."""
        for change, drawn in zip(self.each, numbers, strict=True):
            x = change.apply(x, drawn)
        return x

    def __call__(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        for change in self.each:
            x = change(x, rng)
        return x


_TILT = math.radians(15)
_LEAST_SIDE = 0.8
_BRIGHTER, _CONTRAST = 0.1, 0.2


def _draw_flip(rng: np.random.Generator, cases: int, _: Sequence[int]) -> Numbers:
    """Mirrors each picture left to right with a probability of 1/2."""
    return rng.random(cases) < 0.5


def _flip(x: Tensor, mirrored: Tensor) -> Tensor:
    return torch.where(_column(mirrored), x.flip(-1), x)


def _draw_rotate(rng: np.random.Generator, cases: int, shape: Sequence[int]) -> Numbers:
    """Turns each picture by 0, 90, 180 or 270 degrees; pictures that are not square by 0 or 180."""
    square = shape[-1] == shape[-2]
    return rng.integers(0, 4, cases) if square else 2 * rng.integers(0, 2, cases)


def _rotate(x: Tensor, turns: Tensor) -> Tensor:
    square = x.shape[-1] == x.shape[-2]
    out = x
    for k in (1, 2, 3) if square else (2,):
        out = torch.where(_column(turns == k), torch.rot90(x, k, (-2, -1)), out)
    return out


def _draw_tilt(rng: np.random.Generator, cases: int, shape: Sequence[int]) -> Numbers:
    """Turns each picture by up to 15 degrees either way; what comes into view is a reflection."""
    return _windows(rng.uniform(-_TILT, _TILT, cases), np.ones(cases), np.zeros((cases, 2)), shape)


def _draw_crop(rng: np.random.Generator, cases: int, shape: Sequence[int]) -> Numbers:
    """Cuts a rectangle of 80 to 100 % of the sides out of each picture, anywhere, and enlarges it to the whole."""
    side = rng.uniform(_LEAST_SIDE, 1, cases)
    return _windows(np.zeros(cases), side, rng.uniform(-1, 1, (cases, 2)) * (1 - side)[:, None], shape)


def _draw_intensity(rng: np.random.Generator, cases: int, _: Sequence[int]) -> Numbers:
    """Changes the brightness of each picture by up to 0.1 and its contrast by up to 20 %, within 0 to 1."""
    shift = rng.uniform(-_BRIGHTER, _BRIGHTER, cases)
    return np.stack([shift, rng.uniform(1 - _CONTRAST, 1 + _CONTRAST, cases)], 1).astype(np.float32)


def _intensity(x: Tensor, numbers: Tensor) -> Tensor:
    shift, scale = (_column(one).to(x.dtype) for one in numbers.unbind(1))
    middle = x.mean((-3, -2, -1), keepdim=True)
    return ((x - middle) * scale + middle + shift).clamp(0, 1)


def _windows(
    angle: NDArray[np.float64], scale: NDArray[np.float64], shift: NDArray[np.float64], shape: Sequence[int]
) -> Numbers:
    """Turned, scaled and shifted windows, shape (cases, 2, 3); angles in radians, shifts in half sides."""
    ratio = shape[-2] / shape[-1]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    rows = [[cos, -sin * ratio, shift[:, 0]], [sin / ratio, cos, shift[:, 1]]]
    return np.array(rows).transpose(2, 0, 1).astype(np.float32)


def _through(x: Tensor, windows: Tensor) -> Tensor:
    """Each picture seen through its window."""
    grid = F.affine_grid(windows.to(x.dtype), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


AUGMENTATIONS: dict[str, Change] = {
    "flip": Change(_draw_flip, _flip),
    "rotate": Change(_draw_rotate, _rotate),
    "tilt": Change(_draw_tilt, _through),
    "crop": Change(_draw_crop, _through),
    "intensity": Change(_draw_intensity, _intensity),
}


def augmentation(names: Sequence[str], shape: Sequence[int]) -> Changes | None:
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
    return Changes(tuple(AUGMENTATIONS[name] for name in names), tuple(shape))


def augmentations(support: Sequence[str], query: Sequence[str], shape: Sequence[int]) -> Augments | None:
    """The named changes of support and query inputs; None where none is named. Raises like `augmentation`."""
    if not (support or query):
        return None
    return Augments(augmentation(support, shape), augmentation(query, shape))
