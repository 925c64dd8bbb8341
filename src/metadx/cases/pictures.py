"""Reading pictures (PNG, JPEG, TIFF, DICOM) to uint8 arrays, refusing what would be read wrongly."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from metadx.cases.kinds import read_as_dicom
from metadx.cases.stored import Room, in_memory
from metadx.cases.tiff import check_whole
from metadx.errors import UserError

MAX_PIXELS = 100_000_000
_JPEG_PIXELS = 2048
"""Of a byte at most: a block of 64 takes a bit where all are alike, and less only in arithmetic coding."""
"""A picture that claims more pixels is refused before it is decoded."""

MAX_SET_BYTES = 8 * 1024**3
"""A set of pictures that would take more memory is refused before it is read."""

Size = int | tuple[int, int]
"""Side of a square, or (height, width), in pixels."""

AnySize = Size | tuple[int, int, int]
"""As `Size`; of volumes the side of a cube, or (depth, height, width)."""

_WIDE_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_picture(
    path: str | Path, *, size: Size | None = None, channels: int | None = None, bits: int | None = None
) -> NDArray[np.uint8]:
    """One picture as uint8, shape (channels, height, width): 1 channel if it is grey, 3 if it has colours.

    Args:
        path: a PNG, JPEG, TIFF or DICOM file; DICOM as `metadx.cases.dicom.read_dicom` shows it.
        size: pixels to resize to (bilinear, antialiased); as it is by default.
        channels: 1 makes it grey, 3 gives grey three equal channels; as it is by default.
        bits: how many bits of a 16-bit grey picture hold values, which are scaled to 8; 16 by default.

    Raises:
        UserError: no picture, truncated, too large, a mode such as CMYK, transparent, or of several frames.
    """
    return _finish(_decode(Path(path)), Path(path), size, channels, 16 if bits is None else bits)


def read_pictures(
    paths: Sequence[Path],
    *,
    size: Size | None = None,
    channels: int | None = None,
    bits: int | None = None,
    room: Room = in_memory,
) -> NDArray[np.uint8]:
    """Pictures of one size and mode as uint8, shape (pictures, channels, height, width).

    Args:
        paths: the files, at least one.
        size, channels, bits: as in `read_picture`.
        room: makes the array that they are read into.

    Raises:
        UserError: as `read_picture`; two pictures differ in size or mode; the set does not fit into memory;
            or 16-bit pictures leave so many high bits unused that little contrast would remain.
    """
    first = read_picture(paths[0], size=size, channels=channels, bits=bits)
    if room is in_memory and first.nbytes * len(paths) > MAX_SET_BYTES:
        raise UserError(
            f"{len(paths)} pictures of {_describe(first)} like {paths[0].name} take "
            f"{first.nbytes * len(paths) / 1024**3:.0f} GiB. Make them smaller with size=."
        )
    pictures = room((len(paths), *first.shape))
    brightest, wide = 0, None
    for at, path in enumerate(paths):
        values = _decode(path)
        if values.dtype == np.uint16:
            brightest, wide = max(brightest, int(values.max(initial=0))), wide or path
        one = _finish(values, path, size, channels, 16 if bits is None else bits)
        if one.shape != first.shape:
            raise UserError(
                f"{paths[0]} is {_describe(first)} but {path} is {_describe(one)}. "
                "Give size= (and channels= 1 or 3) to bring them to one."
            )
        pictures[at] = one
    if wide is not None and bits is None and brightest < 1 << 14:
        used = max(9, brightest.bit_length())
        raise UserError(
            f"{wide} and its like are 16-bit grey, but no value exceeds {brightest}: contrast would be lost. "
            f"Give bits={used} (or bits=16 to keep the full scale)."
        )
    return pictures


def describe_reading(size: Size | None, channels: int | None, bits: int | None) -> tuple[str, ...]:
    """What `read_pictures` does with these settings, in sentences for `Provenance.preprocessing`."""
    said = []
    if size is not None:
        height, width = sides(size)
        said.append(f"resized to {height} x {width} pixels (bilinear, antialiased)")
    if channels is not None:
        said.append("made grey" if channels == 1 else "made three-channel")
    if bits is not None:
        said.append(f"{bits}-bit grey scaled to 8 bits")
    return tuple(said)


def _decode(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The file's own values: (height, width) grey, uint8 or uint16, or (height, width, 3) colour, uint8."""
    if read_as_dicom(path):
        from metadx.cases.dicom.pixels import read_dicom

        shown = read_dicom(path)
        return shown[0] if len(shown) == 1 else np.ascontiguousarray(shown.transpose(1, 2, 0))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as picture:
                _check_header(picture, path)
                if picture.format == "PNG":
                    _check_sums(path)
                if isinstance(picture, TiffImageFile):
                    check_whole(picture, path)
                picture.load()
                return _values(ImageOps.exif_transpose(picture), path)
    except UserError:
        raise
    except FileNotFoundError as why:
        raise UserError(f"{path}: no such picture. Mend the path or add the file.") from why
    except UnidentifiedImageError as why:
        raise UserError(
            f"{path}: not a PNG, JPEG, TIFF or DICOM picture. Replace it or leave it out."
        ) from why
    except Image.DecompressionBombError as why:
        raise UserError(f"{path}: {why}. Make the picture smaller.") from why
    except Exception as why:  # decoders of hostile bytes raise nearly anything
        reason = " ".join(str(why).split())[:120] or type(why).__name__
        raise UserError(f"{path}: truncated or damaged ({reason}). Export it again or leave it out.") from why


def _check_sums(path: Path) -> None:
    """Refuses a PNG of which a chunk has another checksum than it says: decoding checks none of the pixels'."""
    with Image.open(path, formats=("PNG",)) as picture:
        picture.verify()


def _check_header(picture: Image.Image, path: Path) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{path}: claims {width} x {height} pixels; at most {MAX_PIXELS:,} are read. Make it smaller."
        )
    if picture.format == "JPEG" and width * height > _JPEG_PIXELS * path.stat().st_size:
        raise UserError(
            f"{path}: claims {width} x {height} pixels, more than its {path.stat().st_size:,} bytes can hold. "
            "Export it again or leave it out."
        )
    if getattr(picture, "n_frames", 1) > 1:
        raise UserError(f"{path}: holds {picture.n_frames} pictures. Save one picture per file.")  # type: ignore[attr-defined]


def _values(picture: Image.Image, path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if picture.mode in _WIDE_GREY:
        wide = np.asarray(picture)
        if wide.min(initial=0) < 0 or wide.max(initial=0) > 65535:
            raise UserError(f"{path}: grey values beyond 16 bits. Save it as 8-bit or 16-bit grey.")
        return wide.astype(np.uint16)
    if picture.mode in ("P", "PA", "LA", "La", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = _opaque(picture, path)
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode not in ("L", "RGB"):
        raise UserError(f"{path}: pixel mode {picture.mode} is not read. Save it as grey or RGB.")
    return np.asarray(picture, dtype=np.uint8)


def _opaque(picture: Image.Image, path: Path) -> Image.Image:
    grey = picture.mode in ("L", "LA", "La", "1")
    layered = picture.convert("LA" if grey else "RGBA")
    if np.asarray(layered.getchannel("A")).min(initial=255) < 255:
        raise UserError(f"{path}: has transparent pixels. Save it without transparency.")
    return layered.convert("L" if grey else "RGB")


def _finish(
    values: NDArray[np.uint8] | NDArray[np.uint16],
    path: Path,
    size: Size | None,
    channels: int | None,
    bits: int,
) -> NDArray[np.uint8]:
    if channels not in (None, 1, 3):
        raise UserError(f"channels={channels}: pictures have 1 channel (grey) or 3 (colour).")
    if values.dtype == np.uint16:
        values = _to_eight_bits(values, path, bits)
    picture = Image.fromarray(values)
    if channels is not None:
        picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None:
        height, width = sides(size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(picture, dtype=np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _to_eight_bits(
    values: NDArray[np.uint16] | NDArray[np.uint8], path: Path, bits: int
) -> NDArray[np.uint8]:
    if not 8 <= bits <= 16:
        raise UserError(f"bits={bits}: a 16-bit grey picture uses 8 to 16 bits.")
    top = (1 << bits) - 1
    if values.max(initial=0) > top:
        raise UserError(f"{path}: value {values.max()} does not fit into bits={bits}. Give a larger bits=.")
    return np.round(values.astype(np.float64) * (255.0 / top)).astype(np.uint8)


def sides(size: AnySize) -> tuple[int, int]:
    """Height and width in pixels; raises `UserError` where there can be no such picture."""
    given = (size, size) if isinstance(size, int) else size
    if len(given) != 2 or min(given) < 1 or given[0] * given[1] > MAX_PIXELS:
        raise UserError(f"size={size}: give a side in pixels, or (height, width), of at least 1.")
    return given[0], given[1]


def _describe(picture: NDArray[np.uint8]) -> str:
    channels, height, width = picture.shape
    return f"{height} x {width} {'grey' if channels == 1 else 'colour'}"
