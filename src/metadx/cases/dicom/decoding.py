"""Stored values of a DICOM frame, decoded by one named decoder per transfer syntax, never by whichever is there."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.frames import Layout
from metadx.cases.dicom.jpeg import decode_jpeg
from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID


class Decoder(NamedTuple):
    """A decoder: pydicom's name of it (or "imagecodecs", which pydicom does not know), and the package it is in."""

    plugin: str
    package: str


_PILLOW = Decoder("pillow", "pillow")
_TURBO = Decoder("imagecodecs", "imagecodecs")
_JPEG_LS = Decoder("pyjpegls", "pyjpegls")
_JPEG_2000 = Decoder("pylibjpeg", "pylibjpeg-openjpeg")

_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


def stored_values(dataset: Dataset, layout: Layout, frame: int, path: str | Path) -> NDArray[Any]:
    """One frame as it is stored: (rows, columns), or (rows, columns, 3) with YBR brought to RGB.

    Args:
        dataset: with its pixels.
        layout: what the header claims.
        frame: number of the frame, from 0.
        path: what to name in an error.

    Raises:
        UserError: the transfer syntax is unknown or its decoder not installed, or a coded picture does not have the
            size that the header claims.
    """
    from pydicom.pixels.utils import pixel_array

    if not 0 <= frame < layout.frames:
        raise UserError(f"{path}: no frame {frame}: frames are 0 to {layout.frames - 1}.")
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if not syntax:
        raise UserError(f"{path}: the header does not name its transfer syntax. Export it again.")
    plugin = _decoder(syntax, layout, path).plugin if syntax.is_encapsulated else ""
    coded = _coded(dataset, layout, frame, syntax, path) if syntax.is_encapsulated else b""
    if plugin == _TURBO.plugin:
        values = decode_jpeg(coded, layout, signed=bool(dataset.get("PixelRepresentation")))
    else:
        if not plugin:
            _check_unused_bits(dataset, layout, frame, path)
        values = pixel_array(dataset, index=frame, decoding_plugin=plugin)
    expected = (layout.rows, layout.columns) + ((3,) if layout.samples == 3 else ())
    if values.shape != expected:
        raise UserError(f"{path}: pixels of shape {values.shape}, not {expected}. Export it again.")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _check_unused_bits(dataset: Dataset, layout: Layout, frame: int, path: str | Path) -> None:
    """Refuses values of 16 bits that fit into the bits stored only if their bytes are swapped.

    Unused high bits may hold anything, such as overlays, and the decoder clears them: it would not notice.
    """
    claimed = int(dataset.get("BitsAllocated") or 0), int(dataset.get("HighBit", -1)) + 1, layout.samples
    if claimed != (16, layout.bits, 1) or layout.bits == 16 or "PixelData" not in dataset:
        return
    count = layout.rows * layout.columns
    content, start = dataset.PixelData, 2 * count * frame
    if len(content) < start + 2 * count:
        return  # the decoder says so
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    words = np.frombuffer(content, f"{order}u2", count, start).astype(np.uint16)
    unused = (0, (1 << (16 - layout.bits)) - 1)  # clear, or a sign
    fit, fit_swapped = (np.isin(w >> layout.bits, unused).all() for w in (words, words.byteswap()))
    if fit_swapped and not fit:
        raise UserError(
            f"{path}: values do not fit into the {layout.bits} bits that the header names: its byte order may be "
            "wrong. Export it again."
        )


def _decoder(syntax: UID, layout: Layout, path: str | Path) -> Decoder:
    """The decoder to use, which is installed."""
    from pydicom import uid
    from pydicom.pixels.decoders.base import get_decoder

    decoder = {
        uid.RLELossless: Decoder("pydicom", "pydicom"),
        uid.JPEGBaseline8Bit: _PILLOW,
        uid.JPEGExtended12Bit: _PILLOW if layout.bits <= 8 else _TURBO,
        uid.JPEGLossless: _TURBO,
        uid.JPEGLosslessSV1: _TURBO,
        uid.JPEGLSLossless: _JPEG_LS,
        uid.JPEGLSNearLossless: _JPEG_LS,
        uid.JPEG2000Lossless: _JPEG_2000,
        uid.JPEG2000: _JPEG_2000,
        uid.HTJ2KLossless: _JPEG_2000,
        uid.HTJ2KLosslessRPCL: _JPEG_2000,
        uid.HTJ2K: _JPEG_2000,
    }.get(syntax)
    name = f"{syntax.name} ({syntax})"
    if decoder is None:
        raise UserError(f"{path}: its transfer syntax, {name}, is not read. Export it uncompressed.")
    if decoder == _TURBO:
        installed = find_spec("imagecodecs") is not None
    else:
        installed = decoder.plugin in get_decoder(syntax).available_plugins
    if not installed:
        raise UserError(
            f"{path}: its transfer syntax, {name}, needs {decoder.package}: `pip install 'metadx[imaging]'`. "
            "Or export it uncompressed."
        )
    return decoder


def _coded(dataset: Dataset, layout: Layout, frame: int, syntax: UID, path: str | Path) -> bytes:
    """A coded picture, whose own header must claim the same size: its decoder would believe that one."""
    from pydicom.encaps import get_frame
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

    coded = get_frame(dataset.PixelData, frame, number_of_frames=layout.frames)
    if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        size = jpeg_size(coded)
    elif syntax in JPEG2000TransferSyntaxes or "High-Throughput" in syntax.name:
        size = jpeg2000_size(coded)
    else:
        return coded
    if size != (layout.rows, layout.columns, layout.samples):
        said = "no size" if size is None else f"{size[1]} x {size[0]} pixels of {size[2]} samples"
        raise UserError(
            f"{path}: the header claims {layout.columns} x {layout.rows} pixels of {layout.samples} samples, the "
            f"coded picture {said}. Export it again."
        )
    return coded


def jpeg_size(coded: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples that a JPEG or JPEG-LS stream claims; None where it claims nothing sound."""
    at = 2
    while coded[:2] == b"\xff\xd8" and at + 4 <= len(coded) and coded[at] == 0xFF:
        mark = coded[at + 1]
        if mark == 0xFF or mark in _WITHOUT_LENGTH:
            at += 1 if mark == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", coded, at + 2)
        if mark in _START_OF_FRAME:
            if at + 10 > len(coded):
                return None
            rows, columns, samples = struct.unpack_from(">HHB", coded, at + 5)
            return rows, columns, samples
        at += 2 + length
    return None


def jpeg2000_size(coded: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples that a JPEG 2000 codestream claims; None where it claims nothing sound."""
    at = coded.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 42 > len(coded):
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", coded, at + 8)
    (samples,) = struct.unpack_from(">H", coded, at + 40)
    return bottom - top, right - left, samples
