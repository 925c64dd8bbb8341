"""Reading NumPy archives (.npz) in bounded memory: what a header claims is checked before anything is read."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError

MAX_BYTES = 4 * 1024**3
_MAX_HEADER = 1 << 16


def read_arrays(
    path: str | Path, keys: Iterable[str], *, optional: Iterable[str] = (), limit: int = MAX_BYTES
) -> dict[str, NDArray[Any]]:
    """The named arrays of an archive. Pickled objects are never read.

    Args:
        path: the .npz file.
        keys: arrays that must be there.
        optional: arrays to read if they are there.
        limit: the most bytes that the arrays may take together.

    Raises:
        UserError: no such file, no archive, a missing array, a damaged or pickled one, one whose header does not
            agree with its size in the archive, or more than `limit` bytes.
    """
    file = Path(path)
    wanted = list(keys)
    if not file.is_file():
        raise UserError(f"{file}: no such file. Mend the path.")
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
            missing = [key for key in wanted if key not in sizes]
            if missing:
                raise UserError(
                    f"{file}: no array {missing[0]!r} (found {', '.join(sorted(sizes)[:12])}). "
                    "Is this another data set's file?"
                )
            wanted += [key for key in optional if key in sizes]
            total = sum(sizes[key] for key in wanted)
            if total > limit:
                raise UserError(
                    f"{file}: its arrays claim {total / 1024**3:.1f} GiB; at most {limit / 1024**3:.1f} are read."
                )
            return {key: _read(archive, key, sizes[key], file) for key in wanted}
    except UserError:
        raise
    except Exception as why:  # zip and header parsers raise nearly anything on hostile bytes
        reason = " ".join(str(why).split())[:120] or type(why).__name__
        raise UserError(f"{file}: not a sound .npz archive ({reason}). Get it again.") from why


def array_names(path: str | Path) -> tuple[str, ...]:
    """The names of the arrays of an archive.

    Raises:
        UserError: no such file, or no archive.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: no such file. Mend the path.")
    try:
        with zipfile.ZipFile(file) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except Exception as why:  # the parser of hostile bytes raises nearly anything
        reason = " ".join(str(why).split())[:120] or type(why).__name__
        raise UserError(f"{file}: not a sound .npz archive ({reason}). Get it again.") from why


def read_array(path: str | Path, *, limit: int = MAX_BYTES) -> NDArray[Any]:
    """The array of a `.npy` file. Pickled objects are never read.

    Args:
        path: the file.
        limit: the most bytes that it may take.

    Raises:
        UserError: no such file, a damaged or pickled array, one whose header does not agree with the file's size,
            or more than `limit` bytes.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: no such file. Mend the path.")
    size = file.stat().st_size
    if size > limit:
        raise UserError(f"{file}: {size / 1024**3:.1f} GiB; at most {limit / 1024**3:.1f} are read.")
    try:
        with file.open("rb") as stream:
            _check_claim(*_header(stream), size, "the array", file)
            stream.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
            return array
    except UserError:
        raise
    except Exception as why:  # parsers of hostile headers raise nearly anything
        reason = " ".join(str(why).split())[:120] or type(why).__name__
        raise UserError(f"{file}: not a sound .npy array ({reason}). Get it again.") from why


def _read(archive: zipfile.ZipFile, key: str, size: int, path: Path) -> NDArray[Any]:
    with archive.open(f"{key}.npy") as member:
        _check_claim(*_header(member), size, f"array {key!r}", path)
    with archive.open(f"{key}.npy") as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array


def _check_claim(
    shape: tuple[int, ...], dtype: np.dtype[Any], header: int, size: int, what: str, path: Path
) -> None:
    if dtype.hasobject:
        raise UserError(f"{path}: {what} holds pickled objects, which can run code. It is not read.")
    if header + math.prod(shape) * dtype.itemsize != size:
        raise UserError(
            f"{path}: {what} claims shape {shape} but {size:,} bytes. The file is damaged: get it again."
        )


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    begun = io.BytesIO(member.read(_MAX_HEADER))  # a header may claim 4 GB, which would be allocated
    version = np.lib.format.read_magic(begun)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(begun)
    if any(side < 0 for side in shape):
        raise ValueError(f"negative shape {shape}")
    return shape, dtype, begun.tell()
