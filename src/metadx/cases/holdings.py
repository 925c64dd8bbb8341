"""Which data sets are on this machine, and whether each copy is the official one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from metadx.cases.dataset import DataSet
from metadx.cases.kinds import PICTURE_SUFFIXES
from metadx.cases.thyroid import embedded_thyroid
from metadx.errors import UserError

DATA_VARIABLE = "METADX_DATA"
"""The environment variable that names a folder of data sets, each in the catalogue's `folder`."""

CACHE_VARIABLE = "METADX_CACHE"
"""The environment variable that names another folder for downloads than the system's cache."""


@dataclass(frozen=True)
class Holding:
    """A copy of a data set on this machine; `doubt` says why it is not verified, and is empty if it is."""

    path: Path
    place: Literal["installed", "METADX_DATA", "cache"]
    doubt: str = ""


def find(data_set: DataSet) -> Holding | None:
    """The best copy on this machine: the first verified one, or else the first; None if there is none.

    Looked for among the installed packages, then in METADX_DATA, then in the cache. Reads whole files to verify
    them; changes and downloads nothing.
    """
    found: Holding | None = None
    for holding in _copies(data_set):
        if not holding.doubt:
            return holding
        found = found or holding
    return found


def cache_folder(data_set: DataSet) -> Path:
    """Where `metadx data get` puts the data set's files."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named) / data_set.name
    import pooch  # brings in a web client that nothing else here needs

    return Path(pooch.os_cache("metadx")) / data_set.name


def checksum(path: Path, algorithm: str) -> str:
    """The checksum of a file as the catalogue writes it, such as "md5:0123..."."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _copies(data_set: DataSet) -> Iterator[Holding]:
    if data_set.installed:
        path = embedded_thyroid()
        if path.is_file():
            yield Holding(path, "installed", _doubt_of_files(data_set, path.parent))
    root = _data_root()
    if root is not None:
        if _has_files(data_set, root / data_set.folder):
            yield _official(data_set, root / data_set.folder, "METADX_DATA")
        for copy in data_set.altered:
            if (root / copy.path).exists():
                short = _doubt_of_counts(data_set, root / copy.path) if copy.complete else ""
                yield Holding(root / copy.path, "METADX_DATA", "; ".join(filter(None, (short, copy.why))))
    cache = cache_folder(data_set)
    if _has_files(data_set, cache):
        yield _official(data_set, cache, "cache")


def _data_root() -> Path | None:
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise UserError(f"{DATA_VARIABLE}={named} is no folder. Name the folder of data sets, or unset it.")
    return Path(named)


def _has_files(data_set: DataSet, folder: Path) -> bool:
    if data_set.unpack:
        return (folder / data_set.unpack).is_dir()
    return bool(data_set.files) and all((folder / file.name).is_file() for file in data_set.files)


def _official(data_set: DataSet, folder: Path, place: Literal["METADX_DATA", "cache"]) -> Holding:
    if data_set.unpack:
        return Holding(folder / data_set.unpack, place, _doubt_of_counts(data_set, folder / data_set.unpack))
    path = folder if len(data_set.files) > 1 else folder / data_set.files[0].name
    return Holding(path, place, _doubt_of_files(data_set, folder))


def _doubt_of_files(data_set: DataSet, folder: Path) -> str:
    for file in data_set.files:
        found = checksum(folder / file.name, file.checksum.partition(":")[0])
        if found != file.checksum:
            return f"{file.name} has the checksum {found}, officially {file.checksum}"
    return ""


def _doubt_of_counts(data_set: DataSet, folder: Path) -> str:
    """Whether a class, perhaps below folders of splits, has not its official number of pictures."""
    for name, official in (data_set.counts or {}).items():
        files = (*folder.glob(f"{name}/*"), *folder.glob(f"*/{name}/*"))
        count = sum(file.suffix.lower() in PICTURE_SUFFIXES for file in files)
        if count != official:
            return f"class {name} has {count} pictures, officially {official}"
    return ""
