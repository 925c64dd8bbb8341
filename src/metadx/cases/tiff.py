"""Whether a TIFF holds the pixels that its header claims: what is not there would be read as black."""

from __future__ import annotations

import math
from pathlib import Path

from PIL.TiffImagePlugin import TiffImageFile

from metadx.errors import UserError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANES = 256, 257, 258, 259, 277, 284
_STRIPS, _ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES = 322, 323, 324


def check_whole(picture: TiffImageFile, path: Path) -> None:
    """Refuses a picture of fewer strips or tiles, or of fewer plain bytes, than its size needs.

    Raises:
        UserError: it is not whole.
    """
    tags = picture.tag_v2
    width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
    samples = int(tags.get(_SAMPLES, 1))
    planes = samples if tags.get(_PLANES, 1) == 2 else 1
    if _TILES in tags:
        held = len(tags[_TILES])
        needed = planes * math.ceil(width / tags[_TILE_WIDTH]) * math.ceil(height / tags[_TILE_HEIGHT])
    else:
        held = len(tags[_STRIPS])
        needed = planes * math.ceil(height / min(int(tags.get(_ROWS, height)), height))
    claimed = math.ceil(width * sum(tags.get(_BITS, (1,))) / 8) * height
    plain = tags.get(_COMPRESSION, 1) == 1 and _TILES not in tags and _STRIP_BYTES in tags
    if held < needed or (plain and sum(tags[_STRIP_BYTES]) < claimed):
        raise UserError(
            f"{path}: claims {width} x {height} pixels and does not hold them. Export it again or leave it out."
        )
