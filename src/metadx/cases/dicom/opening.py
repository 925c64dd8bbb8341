"""Opening DICOM files: hostile bytes end in one `UserError`, and memory stays bounded by the file's own size."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from metadx.cases.kinds import is_dicom
from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_BYTES = 2 * 1024**3
"""A file that is larger, or that inflates to more, is refused before it is parsed."""

_META_AT = 132 + 12
_MOST_META = 1 << 14
_GROUP_LENGTH = b"\x02\0\0\0UL\x04\0"
_DEFLATED = b"1.2.840.10008.1.2.1.99"


def open_dicom(path: str | Path, *, pixels: bool = True) -> Dataset:
    """A DICOM file as pydicom's dataset, its attributes not yet interpreted.

    Args:
        path: a DICOM file (PS3.10: with its 128-byte preamble and the mark DICM).
        pixels: whether to read the pixels too.

    Raises:
        UserError: pydicom is not installed, no such file, no DICOM mark, larger than `MAX_BYTES`, or damaged.
    """
    file = Path(path)
    try:
        from pydicom import dcmread
    except ImportError:
        raise UserError(f"{file}: reading DICOM needs `pip install 'metadx[imaging]'`.") from None
    if not file.is_file():
        raise UserError(f"{file}: no such DICOM file. Mend the path or add the file.")
    if file.stat().st_size > MAX_BYTES:
        raise UserError(
            f"{file}: {file.stat().st_size / 1024**3:.1f} GiB; at most {MAX_BYTES // 1024**3} are read. Split it."
        )
    if not is_dicom(file):
        raise UserError(
            f"{file}: no DICOM file: 'DICM' does not follow a preamble of 128 bytes. Export it again."
        )
    with reading(file):
        _check_inflated(file)
        with _Bounded(FileIO(file)) as stream:
            return dcmread(stream, stop_before_pixels=not pixels)


class _Bounded(BufferedReader):
    """A file of which no more is asked for than it holds: an element may claim 4 GB, which would be allocated."""

    def __init__(self, raw: FileIO) -> None:
        super().__init__(raw)
        self._size = raw.seek(0, 2)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Whatever a parser or decoder raises inside becomes one line that names the file; warnings are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except UserError:
            raise
        except Exception as why:  # parsers and decoders of hostile bytes raise nearly anything
            reason = " ".join(str(why).split())[:160] or type(why).__name__
            raise UserError(
                f"{path}: truncated or damaged ({reason}). Export it again or leave it out."
            ) from why


def _check_inflated(path: Path) -> None:
    """Refuses a deflated file that would inflate to more than `MAX_BYTES`, holding a piece of it at a time."""
    with path.open("rb") as file:
        head = file.read(_MOST_META)
    if _DEFLATED not in head:
        return
    if head[132:140] != _GROUP_LENGTH:
        raise UserError(f"{path}: deflated, but its header does not say where it ends. Export it again.")
    length = int.from_bytes(head[140:144], "little")
    inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        file.seek(_META_AT + length)
        piece = file.read(1 << 20)
        while piece and not inflate.eof:
            total += len(inflate.decompress(piece, 1 << 24))
            if total > MAX_BYTES:
                raise UserError(f"{path}: inflates to more than {MAX_BYTES // 1024**3} GiB. Leave it out.")
            piece = inflate.unconsumed_tail or file.read(1 << 20)
