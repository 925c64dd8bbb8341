"""A small sketch of each picture, in which unrelated pictures have nothing in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 14
"""Pixels of a sketch's side."""

TURNS = 8
"""The ways in which a square lies on itself."""

_PARTS = 96
_FITTED = 4000
_BLURRED = 1000
_CHUNK = 512
_FLOOR = 1e-4
_SHARPEST = 0.03

Sketches = NDArray[np.float32]


@dataclass(frozen=True)
class Whitening:
    """Maps grey sketches, shape (pictures, side, side), to unit vectors, shape (pictures, parts).

    Each part of the picture, a principal component, is scaled to how much of it survives when the picture is halved
    in size, and to how rare it is. What all pictures share is thereby taken away, and the cosine of unrelated
    pictures is near 0. Fitted on the pictures in all eight turns, it treats each alike.

    Args:
        mean: of the normalised sketches, shape (pixels,).
        matrix: shape (pixels, parts).
    """

    mean: Sketches
    matrix: Sketches

    def __call__(self, sketch: Sketches) -> Sketches:
        return _unit((normalised(sketch) - self.mean) @ self.matrix)


def sketches(x: NDArray[Any]) -> Sketches:
    """Pictures, shape (pictures, channels, height, width), in grey and averaged to at most `SIDE` pixels a side."""
    height, width = x.shape[2:]
    side = min(SIDE, height, width)
    down, across = averaging(height, side), averaging(width, side).T
    chunks = [x[at : at + _CHUNK].mean(axis=1, dtype=np.float32) for at in range(0, len(x), _CHUNK)]
    return np.concatenate([down @ chunk @ across for chunk in chunks])


def fit_whitening(x: NDArray[Any], sketch: Sketches, rng: np.random.Generator) -> Whitening:
    """The whitening that suits these pictures; `sketch` holds the sketches of all of `x`."""
    picked = np.sort(rng.permutation(len(x))[:_FITTED])
    turned = np.concatenate([normalised(each) for each in turns(sketch[picked])])
    mean = turned.mean(axis=0)
    spread, parts = np.linalg.eigh(np.cov((turned - mean).T))
    few = np.sort(rng.permutation(len(x))[:_BLURRED])
    lost = (((normalised(sketches(halved(x[few]))) - normalised(sketch[few])) @ parts) ** 2).mean(axis=0)
    kept = np.clip(spread / np.maximum(spread + lost, 1e-12), 0, 1)
    scale = np.sqrt(kept / (1 - kept**2 + _SHARPEST) / np.maximum(spread + _FLOOR * spread.sum(), 1e-12))
    best = np.argsort(-(scale**2 * spread))[:_PARTS]
    return Whitening(mean, (parts * scale)[:, best].astype(np.float32))


def turns(sketch: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Pictures, shape (..., height, width), turned by 0, 90, 180 and 270 degrees, then those mirrored."""
    for number in range(TURNS):
        yield turned(sketch, number)


def turned(picture: NDArray[Any], number: int) -> NDArray[Any]:
    """Turn `number` of pictures, shape (..., height, width)."""
    quarter: NDArray[Any] = np.rot90(picture, number % 4, axes=(-2, -1))
    return quarter[..., ::-1] if number >= 4 else quarter


def normalised(sketch: NDArray[Any]) -> Sketches:
    """Flat sketches of mean 0 and length 1, or 0 where a picture is of one tone, shape (pictures, pixels)."""
    flat = np.asarray(sketch, dtype=np.float32).reshape(len(sketch), -1)
    return _unit(flat - flat.mean(axis=1, keepdims=True))


def halved(x: NDArray[Any]) -> Sketches:
    """Pictures in grey that were made half as large and as large again, shape (pictures, 1, height, width)."""
    height, width = x.shape[2:]
    grey = x.mean(axis=1, dtype=np.float32)
    down, across = (_enlarging(max(n // 2, 1), n) @ averaging(n, max(n // 2, 1)) for n in (height, width))
    coarse: Sketches = (down @ grey @ across.T)[:, None]
    return coarse


def averaging(pixels: int, side: int) -> Sketches:
    """The matrix, shape (side, pixels), that averages a line of pixels over `side` equal stretches."""
    edge = np.linspace(0, pixels, side + 1)
    at = np.arange(pixels)
    share = np.minimum(edge[1:, None], at + 1) - np.maximum(edge[:-1, None], at)
    share = np.clip(share, 0, None)
    weight: Sketches = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    return weight


def _enlarging(side: int, pixels: int) -> Sketches:
    """The matrix, shape (pixels, side), that interpolates a line linearly."""
    at = np.clip((np.arange(pixels) + 0.5) * side / pixels - 0.5, 0, side - 1)
    weight: Sketches = np.clip(1 - np.abs(at[:, None] - np.arange(side)), 0, 1).astype(np.float32)
    return weight


def _unit(rows: NDArray[Any]) -> Sketches:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length > 1e-4, rows / np.maximum(length, 1e-4), 0).astype(np.float32)
