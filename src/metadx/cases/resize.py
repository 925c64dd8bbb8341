"""Pictures that are in memory already, brought to another size or number of channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metadx.cases.cases import Cases
from metadx.cases.pictures import Size, describe_reading, sides
from metadx.errors import UserError


def resize_cases(cases: Cases, size: Size | None, channels: int | None) -> Cases:
    """The cases with their pictures resized (bilinear, antialiased) and made grey or coloured.

    Args:
        size: side, or (height, width), in pixels; None leaves it.
        channels: 1 or 3; None leaves it.

    Raises:
        UserError: the cases are no pictures of 1 or 3 channels.
    """
    shape = cases.x.shape[1:]
    if size is None and channels is None:
        return cases
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


def resized(picture: NDArray[np.uint8], wanted: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A picture, shape (channels, height, width), brought to the shape `wanted`."""
    channels, height, width = wanted
    image = Image.fromarray(
        picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    )
    image = image.convert("L" if channels == 1 else "RGB").resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)
