"""Pictures that are in memory already, brought to another size or number of channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metadx.cases.cases import Cases
from metadx.cases.pictures import AnySize, describe_reading, sides
from metadx.cases.volumes import MAX_VOXELS, reshaped
from metadx.errors import UserError


def resize_cases(cases: Cases, size: AnySize | None, channels: int | None) -> Cases:
    """The cases with their pictures, or volumes, resized (linear, antialiased) and made grey or coloured.

    Args:
        size: side, or (height, width), in pixels; of volumes the side of a cube, or (depth, height, width); None
            leaves it.
        channels: 1 or 3; None leaves it.

    Raises:
        UserError: the cases are no pictures of 1 or 3 channels, and no volumes of one.
    """
    shape = cases.x.shape[1:]
    if size is None and channels is None:
        return cases
    if cases.modality == "image" and len(shape) == 4 and channels in (None, 1):
        return cases if size is None else _resized_volumes(cases, block(size))
    if cases.modality != "image" or len(shape) != 3 or shape[0] not in (1, 3):
        raise UserError(f"{cases.provenance.source}: size and channels are for pictures, not for {shape}.")
    height, width = shape[1:] if size is None else sides(size)
    wanted = (shape[0] if channels is None else channels, height, width)
    if wanted == shape:
        return cases
    x = np.empty((len(cases), *wanted), dtype=np.uint8)
    for at, picture in enumerate(cases.x):
        x[at] = resized(picture, wanted)
    changed = describe_reading(None if wanted[1:] == shape[1:] else (height, width), channels, None)
    origin = cases.provenance
    done = replace(origin, preprocessing=(*origin.preprocessing, *changed))
    return replace(cases, x=x, provenance=done)


def _resized_volumes(cases: Cases, wanted: tuple[int, int, int]) -> Cases:
    if cases.x.shape[2:] == wanted:
        return cases
    x = np.empty((*cases.x.shape[:2], *wanted), dtype=np.uint8)
    for at, channels in enumerate(cases.x):
        for number, values in enumerate(channels):
            x[at, number] = np.round(reshaped(values, wanted)).clip(0, 255)
    origin = cases.provenance
    done = f"resized to {' x '.join(map(str, wanted))} (linear, antialiased)"
    return replace(cases, x=x, provenance=replace(origin, preprocessing=(*origin.preprocessing, done)))


def block(size: AnySize) -> tuple[int, int, int]:
    """Depth, height and width of a volume; raises `UserError` where there can be no such one."""
    given = (size, size, size) if isinstance(size, int) else size
    if len(given) != 3 or min(given) < 1 or given[0] * given[1] * given[2] > MAX_VOXELS:
        raise UserError(
            f"size={size}: give the side of a cube, or (depth, height, width), for volumes; or slices of scans."
        )
    return given[0], given[1], given[2]


def resized(picture: NDArray[np.uint8], wanted: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A picture, shape (channels, height, width), brought to the shape `wanted`."""
    channels, height, width = wanted
    image = Image.fromarray(
        picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    )
    image = image.convert("L" if channels == 1 else "RGB").resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)
