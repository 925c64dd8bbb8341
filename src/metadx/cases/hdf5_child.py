"""What runs in the process of `read_hdf5_pictures`; it imports no more than it needs, so that it starts fast."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pictures_of(
    path: Path, name: str, wanted: tuple[int, int] | None, channels: int | None, limit: int
) -> NDArray[np.uint8]:
    """The pictures of one dataset, shape (pictures, channels, height, width).

    Raises:
        ValueError: it is not there, not in this file, no pictures, or claims more than `limit` bytes.
        Exception: whatever h5py raises on damage.
    """
    import h5py

    with h5py.File(path, "r") as file:
        if name not in file or not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"no dataset '{name}' of its own")
        found: Any = file[name]
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise ValueError(f"'{name}' is no dataset that lies in this file")
        shape, last = found.shape, (found.shape[-1] if found.ndim == 4 else 1)
        if found.dtype != np.uint8 or found.ndim not in (3, 4) or last not in (1, 3) or 0 in shape:
            raise ValueError(
                f"'{name}' is {found.dtype} of shape {shape}; uint8, (pictures, height, width, 1 or 3), is read"
            )
        out = (last if channels is None else channels, *(shape[1:3] if wanted is None else wanted))
        bytes_of_all = shape[0] * math.prod(out)
        if (
            math.prod(shape[1:]) > limit // 16
            or math.prod(found.chunks or ()) > limit
            or bytes_of_all > limit
        ):
            raise ValueError(
                f"'{name}' claims {shape[0]:,} pictures, {bytes_of_all / 1024**3:.0f} GiB; make them smaller with "
                "size="
            )
        pictures = np.empty((shape[0], *out), dtype=np.uint8)
        for at in range(shape[0]):
            pictures[at] = _brought_to(found[at], out)
        return pictures


def _brought_to(picture: NDArray[np.uint8], wanted: tuple[int, ...]) -> NDArray[np.uint8]:
    """A picture, (height, width) or with channels last, as `metadx.cases.resize.resized` brings it to a shape."""
    plain = picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
    image = Image.fromarray(np.ascontiguousarray(plain)).convert("L" if wanted[0] == 1 else "RGB")
    if image.size != (wanted[2], wanted[1]):
        image = image.resize((wanted[2], wanted[1]), Image.Resampling.BILINEAR)
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def main() -> None:
    """Reads what the first argument asks for, and leaves the answer in a folder."""
    path, name, wanted, channels, limit, folder = json.loads(sys.argv[1])
    refused = ""
    try:
        np.save(
            Path(folder) / "x.npy", pictures_of(Path(path), name, wanted, channels, limit), allow_pickle=False
        )
    except ImportError:
        refused = "reading HDF5 needs `pip install 'metadx[imaging]'`"
    except Exception as why:  # a damaged file raises whatever the code that met the damage does
        refused = " ".join(str(why).split())[:200] or type(why).__name__
    (Path(folder) / "answer.json").write_text(json.dumps(refused), encoding="utf-8")


if __name__ == "__main__":
    main()
