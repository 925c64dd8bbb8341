"""NIfTI files as volumes that lie right, front, head; and volumes as NIfTI files."""

from __future__ import annotations

import gzip
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.volumes import MAX_VOXELS, Volume, check_affine, to_ras
from metadx.errors import UserError

SUFFIXES = (".nii", ".nii.gz")

_HEADER_BYTES = 540
_MAX_OFFSET = 16 * 1024**2
_MAX_GZIP_RATIO = 1032
_SLACK = 1 << 20


def read_nifti(path: str | Path, *, index: int | None = None, nan: float | None = None) -> Volume:
    """A NIfTI file as a volume in RAS+: its axes run towards the patient's right, front and head.

    Axes are turned and flipped as `nibabel.as_closest_canonical` does; values are scaled as the header says and not
    resampled (see `resample`).

    Args:
        path: a `.nii` or `.nii.gz` file.
        index: which volume of a file that holds several, from 0; may be left out where there is one.
        nan: the value to put in place of NaN, which the notes count; a file with NaN is refused by default.

    Raises:
        UserError: nibabel is not installed, no such file, no NIfTI, truncated or damaged, claims more than
            `MAX_VOXELS` values or more than the file can hold, complex or colour values, NaN, several volumes and
            none chosen, or an affine that is none.
    """
    file = Path(path)
    try:
        import nibabel
    except ImportError:
        raise UserError(f"{file}: reading NIfTI needs `pip install 'metadx[imaging]'`.") from None
    if not file.is_file():
        raise UserError(f"{file}: no such NIfTI file. Mend the path or add the file.")
    if not file.name.lower().endswith(SUFFIXES):
        raise UserError(f"{file}: not a .nii or .nii.gz file. Convert it, or mend its name.")
    try:
        with _silence(), np.errstate(all="ignore"):
            header = _read_header(file)
            _check_header(header, file)
            image: Any = nibabel.load(file)
            affine = np.asarray(image.affine, dtype=np.float64)
            check_affine(affine, str(file))
            values = _values(image, _chosen(image.shape, index, file))
            if _gzipped(file):
                _check_to_end(file, header)
    except UserError:
        raise
    except Exception as why:  # parsers of hostile bytes raise nearly anything
        reason = " ".join(str(why).split())[:160] or type(why).__name__
        raise UserError(f"{file}: truncated or damaged ({reason}). Export it again or leave it out.") from why
    notes: tuple[str, ...] = ()
    missing = np.isnan(values)
    if missing.any():
        if nan is None:
            raise UserError(
                f"{file}: {missing.sum()} of {values.size} values are NaN. Say what they mean with nan=."
            )
        values[missing] = nan
        notes += (
            f"{file.name}: {missing.sum():,} of {values.size:,} values are NaN, and were made {nan:g}.",
        )
    if not (int(header["qform_code"]) or int(header["sform_code"])):
        notes += (f"{file.name} does not say how it lies in the patient; left and right may be exchanged.",)
    return to_ras(Volume(values, affine, str(file), notes=notes))


def write_nifti(volume: Volume, path: str | Path) -> None:
    """Writes a volume as float32 NIfTI, with its affine; `read_nifti` reads the same values in the same places.

    Args:
        volume: any volume.
        path: ends in `.nii` or `.nii.gz`.

    Raises:
        UserError: nibabel is not installed, or another suffix.
    """
    try:
        from nibabel import nifti1
    except ImportError:
        raise UserError(f"{path}: writing NIfTI needs `pip install 'metadx[imaging]'`.") from None
    if not str(path).lower().endswith(SUFFIXES):
        raise UserError(f"{path}: give a name that ends in .nii or .nii.gz.")
    untyped: Any = nifti1
    image = untyped.Nifti1Image(volume.values, volume.affine)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


@contextmanager
def _silence() -> Iterator[None]:
    """Neither warnings nor the lines that nibabel logs of headers it mends."""
    log = logging.getLogger("nibabel.global")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _read_header(path: Path) -> Any:
    """The header alone: at most 540 bytes are read, or inflated."""
    import nibabel

    with path.open("rb") as raw:
        block = gzip.GzipFile(fileobj=raw).read(_HEADER_BYTES) if _gzipped(path) else raw.read(_HEADER_BYTES)
    kinds: Any = ((nibabel.Nifti1Header, 348, block[344:348]), (nibabel.Nifti2Header, 540, block[4:8]))
    for kind, size, magic in kinds:
        if len(block) >= size and magic in (b"n+1\0", b"n+2\0"):
            return kind(block[:size], check=True)
    raise UserError(f"{path}: no NIfTI header (n+1 or n+2). Export it again as .nii or .nii.gz.")


def _check_header(header: Any, path: Path) -> None:
    """Refuses claims that are absurd, or larger than the file can hold, before memory is taken for them."""
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UserError(f"{path}: values of type {dtype}. Only real numbers of up to 64 bits are read.")
    if not 3 <= len(shape) <= 5 or any(side < 1 for side in shape):
        raise UserError(f"{path}: values of shape {shape}, not a volume. Export it again.")
    if math.prod(shape[:3]) > MAX_VOXELS:
        raise UserError(f"{path}: claims {shape[:3]} values; at most {MAX_VOXELS:,} are read.")
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _MAX_OFFSET:
        raise UserError(f"{path}: says that its values begin at byte {offset:g}. Export it again.")
    held = path.stat().st_size * (_MAX_GZIP_RATIO if _gzipped(path) else 1)
    claimed = offset + math.prod(shape) * dtype.itemsize
    if claimed > held:
        raise UserError(
            f"{path}: claims {claimed:,.0f} bytes, but holds at most {held:,}: truncated. Get it again."
        )


def _check_to_end(path: Path, header: Any) -> None:
    """Reads a gzipped file to its end, where the checksum of its content is; more than it claims is refused."""
    claimed = (
        int(header["vox_offset"]) + math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    )
    held = 0
    with gzip.open(path) as stream:
        while piece := stream.read(1 << 20):
            held += len(piece)
            if held > claimed + _SLACK:
                raise UserError(f"{path}: holds more than the {claimed:,} bytes it claims. Get it again.")


def _chosen(shape: tuple[int, ...], index: int | None, path: Path) -> int:
    count = math.prod(shape[3:])
    if index is None and count > 1:
        raise UserError(f"{path}: holds {count} volumes. Choose one with index= (0 to {count - 1}).")
    if not 0 <= (index or 0) < count:
        raise UserError(f"{path}: no volume {index}: it holds 0 to {count - 1}.")
    return index or 0


def _values(image: Any, index: int) -> NDArray[np.float32]:
    """One volume, scaled, float32, without reading the others."""
    tail = np.unravel_index(index, image.shape[3:], order="F") if len(image.shape) > 3 else ()
    at = (slice(None), slice(None), slice(None), *(int(i) for i in tail))
    return np.array(image.dataobj[at], dtype=np.float32)


def _gzipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")
