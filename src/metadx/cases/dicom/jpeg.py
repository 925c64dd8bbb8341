"""JPEG of other depths than 8 bits, and lossless JPEG, which Pillow does not decode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.frames import Layout

_END, _PADDING = b"\xff\xd9", 4


def decode_jpeg(coded: bytes, layout: Layout, signed: bool) -> NDArray[Any]:
    """Stored values of a JPEG picture of 2 to 16 bits, sequential or lossless, as libjpeg-turbo decodes it.

    Args:
        coded: one picture.
        layout: what the header claims; YBR becomes RGB.
        signed: whether the highest stored bit is a sign.

    Raises:
        ValueError: it does not end as a JPEG picture does; whatever the decoder refuses.
    """
    import imagecodecs
    from pydicom.pixels.processing import convert_color_space

    if coded.rfind(_END) < len(coded) - _PADDING:
        raise ValueError("JPEG picture without an end")
    values: NDArray[Any] = np.asarray(imagecodecs.jpeg8_decode(coded))
    if layout.photometric.startswith("YBR_"):
        if values.dtype != np.uint8 or layout.photometric != "YBR_FULL":
            raise ValueError(f"{layout.photometric} of {layout.bits} bits in JPEG")
        return np.asarray(convert_color_space(values, "YBR_FULL", "RGB"))
    if not signed:
        return values
    wide = values.astype(np.int32)
    sign = np.int32(1 << (layout.bits - 1))
    return np.asarray(((wide & (2 * sign - 1)) ^ sign) - sign)
