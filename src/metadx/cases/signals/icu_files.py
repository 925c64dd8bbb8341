"""The files of PhysioNet's Challenge 2012: a stay's text, from a tar archive or a folder, in bounded memory."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from metadx.errors import UserError

_SET = re.compile(r"set-([a-z])(\.tar\.gz|\.tgz|\.tar)?$")
_STAY = re.compile(r"(\d{1,12})\.txt$")
_MOST_STAYS = 100_000
_MOST_BYTES = 2_000_000
_MOST_UNPACKED = 512 * 1024**2


class StayFile(NamedTuple):
    """The text of one stay: its number by the file's name, what to call the file, and its bytes."""

    record: str
    what: str
    content: bytes


class StaySet(NamedTuple):
    """A set of stays (an archive or a folder) and the table of what became of them."""

    stays: Path
    outcomes: Path


def find_sets(path: Path) -> list[StaySet]:
    """The sets of stays that a path stands for: one archive, one folder of stays, or a folder of several of these.

    Raises:
        UserError: there are none, or a set's outcomes are not there; says which.
    """
    if path.is_file():
        return [_with_outcomes(path)]
    if not path.is_dir():
        raise UserError(
            f"{path}: no such file or folder. Give the folder of set-a.tar.gz and Outcomes-a.txt."
        )
    if any(_STAY.fullmatch(p.name) for p in path.iterdir()):
        return [_with_outcomes(path)]
    named = sorted(p for p in path.iterdir() if _SET.fullmatch(p.name))
    letters: dict[str, Path] = {}
    for found in named:  # the archive and the folder unpacked from it are one set
        match = _SET.fullmatch(found.name)
        assert match is not None
        if found.is_dir() or match[1] not in letters:
            letters[match[1]] = found
    if not letters:
        raise UserError(f"{path}: no set-a.tar.gz, folder set-a or stays such as 132539.txt. Mend the path.")
    return [_with_outcomes(found) for found in letters.values()]


def holds_stays(folder: Path) -> bool:
    """Whether a folder holds sets of stays, or stays and their outcomes."""
    if not folder.is_dir():
        return False
    names = [p.name for p in folder.iterdir()]
    return any(map(_SET.fullmatch, names)) or (
        any(map(_STAY.fullmatch, names)) and any(n.startswith("Outcomes-") for n in names)
    )


def stays(path: Path) -> Iterator[StayFile]:
    """Every stay of an archive or a folder; nothing is written to disk, and links are refused.

    Raises:
        UserError: a damaged archive, more than 512 MB in it, a stay above 2 MB, or none.
    """
    count = 0
    for stay in _folder(path) if path.is_dir() else _archive(path):
        count += 1
        if count > _MOST_STAYS:
            raise UserError(f"{path}: more than {_MOST_STAYS:,} stays. Give a part of them.")
        yield stay
    if not count:
        raise UserError(f"{path}: no stays such as 132539.txt inside. Is this the right file?")


def _with_outcomes(path: Path) -> StaySet:
    match = _SET.fullmatch(path.name)
    if match is None:
        beside = sorted({*path.parent.glob("Outcomes-?.txt"), *(path.glob("Outcomes-?.txt"))})
        if len(beside) != 1:
            raise UserError(
                f"{path}: {len(beside)} files Outcomes-a.txt beside it. Name it set-a, or keep one with it."
            )
        return StaySet(path, beside[0])
    outcomes = path.parent / f"Outcomes-{match[1]}.txt"
    if not outcomes.is_file():
        raise UserError(f"{path}: {outcomes.name} is not beside it, so nobody knows who died. Get it too.")
    return StaySet(path, outcomes)


def _folder(path: Path) -> Iterator[StayFile]:
    for file in sorted(path.iterdir()):
        match = _STAY.fullmatch(file.name)
        if match is None:
            continue
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            raise UserError(f"{file}: no file of at most {_MOST_BYTES // 1_000_000} MB. Get the set again.")
        yield StayFile(match[1], str(file), file.read_bytes())


def _archive(path: Path) -> Iterator[StayFile]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with (
                gzip.open(raw) if zipped else nullcontext(raw) as plain,
                tarfile.open(fileobj=_Bounded(plain, path), mode="r|") as tar,
            ):
                for member in tar:
                    name = member.name.rpartition("/")[2]
                    match = _STAY.fullmatch(name)
                    if match is None or "__MACOSX" in member.name:
                        continue
                    what = f"{path}/{name}"
                    if not member.isreg() or member.size > _MOST_BYTES:
                        raise UserError(
                            f"{what}: a link, or above {_MOST_BYTES // 1_000_000} MB. Get the set again."
                        )
                    inside = tar.extractfile(member)
                    assert inside is not None
                    yield StayFile(match[1], what, inside.read())
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as why:
        said = " ".join(str(why).split())[:120] or type(why).__name__
        raise UserError(f"{path}: cannot be read as an archive ({said}). Get it again.") from why


class _Bounded(io.RawIOBase):
    """What an archive unpacks to, up to a limit: a small file may hold very much."""

    def __init__(self, inner: object, path: Path) -> None:
        self._inner, self._path, self._left = inner, path, _MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0 or size > _MOST_UNPACKED:
            size = self._left + 1
        got: bytes = self._inner.read(size)  # type: ignore[attr-defined]
        self._left -= len(got)
        if self._left < 0:
            raise UserError(f"{self._path}: more than {_MOST_UNPACKED // 1024**2} MB unpacked. Get it again.")
        return got
