"""Lines of a text file, plain, gzipped or the one inside a zip, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path, PurePath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metadx.cases.inside import is_stray
from metadx.errors import UserError

MAX_LINE_BYTES = 16 * 1024**2
MAX_TEXT_BYTES = 4 * 1024**3
MAX_TEXT = 300
MAX_RATIO = 100
"""What packed text may unpack to, in times its own size; tables pack to a quarter or a tenth."""

ALWAYS_BYTES = 16 * 1024**2
"""What packed text may unpack to, however small it is."""

DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError)
"""What reading a damaged gzip or zip raises."""


class _Lines(Protocol):
    def readline(self, size: int, /) -> bytes: ...


@contextmanager
def text_lines(path: str | Path) -> Iterator[Iterator[str]]:
    """Lines of a file without their ends; gzip is known by its first bytes, a byte order mark is dropped.

    Raises:
        UserError: absent, no file, damaged, not UTF-8, NUL bytes, a line above 16 MB, more than 4 GB of text, or
            packed text above 16 MB and a hundred times its size.
    """
    file = Path(path)
    if not file.exists():
        raise UserError(f"{file}: no such file. Mend the path.")
    if not file.is_file():
        raise UserError(f"{file}: not a file. Give the file itself.")
    with file.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.open(raw) if zipped else nullcontext(raw) as plain:
            yield _decoded(plain, str(file), _most_unpacked(file) if zipped else MAX_TEXT_BYTES)


@contextmanager
def zipped_lines(path: str | Path, suffix: str) -> Iterator[Iterator[str]]:
    """Lines of the one file inside a zip that ends in `suffix`; what macOS leaves there is passed over.

    Args:
        path: the zip.
        suffix: such as ".csv".

    Raises:
        UserError: absent, no sound zip, none or several such files inside, or whatever `text_lines` refuses.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: no such file. Mend the path.")
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
            inside = [name for name in archive.namelist() if name.endswith(suffix) and not _stray(name)]
            text = stack.enter_context(archive.open(inside[0])) if len(inside) == 1 else None
        except DAMAGE as why:
            raise _damaged(str(file), why) from why
        if text is None:
            found = f"{len(inside)} files" if inside else "no file"
            raise UserError(f"{file}: {found} inside that end in {suffix}. Give a zip that holds one.")
        yield _decoded(text, f"{file}/{inside[0]}", _most_unpacked(file))


def short_text(cells: Sequence[str], what: str) -> NDArray[np.str_]:
    """Text of at most 300 characters each, as an array, whose every cell takes the room of the longest.

    Args:
        cells: the text.
        what: what to name in an error.

    Raises:
        UserError: a text is longer.
    """
    longest = max(range(len(cells)), key=lambda at: len(cells[at]), default=0)
    if len(cells) and len(cells[longest]) > MAX_TEXT:
        raise UserError(
            f"{what}: '{cells[longest][:40]}...' has {len(cells[longest]):,} characters (at most {MAX_TEXT}). "
            "Shorten it."
        )
    return np.asarray(cells, dtype=np.str_)


def sha256_of(path: Path) -> str:
    """The checksum of a file as `Provenance` holds it: "sha256:..."."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(what: str, why: BaseException) -> UserError:
    said = " ".join(str(why).split())[:200] or type(why).__name__
    return UserError(f"{what}: cannot be read ({said}). Get the file again.")


def _stray(name: str) -> bool:
    return any(is_stray(PurePath(part)) for part in name.split("/"))


def _most_unpacked(file: Path) -> int:
    return min(MAX_TEXT_BYTES, max(ALWAYS_BYTES, MAX_RATIO * file.stat().st_size))


def _decoded(file: _Lines, what: str, most: int) -> Iterator[str]:
    total, number = 0, 0
    while True:
        try:
            line = file.readline(MAX_LINE_BYTES + 1)
        except DAMAGE as why:
            raise _damaged(what, why) from why
        if not line:
            return
        number += 1
        total += len(line)
        if len(line) > MAX_LINE_BYTES or total > MAX_TEXT_BYTES:
            said = "a line longer than 16 MB" if len(line) > MAX_LINE_BYTES else "more than 4 GB of text"
            raise UserError(f"{what}: {said} (line {number}). Is this the right file?")
        if total > most:
            raise UserError(
                f"{what}: unpacks to more than {MAX_RATIO} times its size, as no table does. If you trust it, "
                "unpack it first."
            )
        if b"\0" in line:
            raise UserError(
                f"{what}: NUL byte in line {number}: not a text file, or UTF-16. Save it as UTF-8."
            )
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise UserError(f"{what}: line {number} is not UTF-8. Save it as UTF-8.") from None
        yield text.rstrip("\r\n")
