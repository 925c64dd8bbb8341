"""Pictures in an HDF5 file, read in a process of its own: on some damaged files its library crashes or hangs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases import hdf5_child
from metadx.cases.pictures import MAX_SET_BYTES, Size, sides
from metadx.errors import UserError

_PATIENCE = 120.0
_BYTES_PER_SECOND = 5e6


def read_hdf5_pictures(
    path: str | Path, dataset: str, *, size: Size | None = None, channels: int | None = None
) -> NDArray[np.uint8]:
    """The pictures of one dataset as uint8, shape (pictures, channels, height, width).

    Args:
        path: the file.
        dataset: its name; uint8, (pictures, height, width), perhaps with 1 or 3 channels last.
        size, channels: as in `read_picture`; each picture is brought to them as it is read.

    Raises:
        UserError: h5py is not installed, no such file or dataset, another type or shape, more than fits into
            memory, a link to another file, or reading it crashed or did not end within two minutes (longer for
            large files).
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: no such file. Mend the path.")
    if channels not in (None, 1, 3):
        raise UserError(f"channels={channels}: pictures have 1 channel (grey) or 3 (colour).")
    wanted = None if size is None else sides(size)
    limit = _PATIENCE + file.stat().st_size / _BYTES_PER_SECOND
    with tempfile.TemporaryDirectory() as folder:
        asked = json.dumps([str(file), dataset, wanted, channels, MAX_SET_BYTES, folder])
        try:
            ended = subprocess.run(
                [sys.executable, "-P", str(hdf5_child.__file__), asked],
                capture_output=True,
                text=True,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{file}: reading it did not end within {limit:.0f} s. Is the file damaged?"
            ) from None
        answer = Path(folder) / "answer.json"
        if not answer.is_file():
            raise UserError(
                f"{file}: reading it crashed the HDF5 library (exit code {ended.returncode}). The file is damaged, "
                "or does not fit into memory."
            )
        refused = json.loads(answer.read_text(encoding="utf-8"))
        if refused:
            raise UserError(f"{file}: cannot be read ({refused}). Get it again.")
        pictures: NDArray[np.uint8] = np.load(Path(folder) / "x.npy", allow_pickle=False)
        return pictures
