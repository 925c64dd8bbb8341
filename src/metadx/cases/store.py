"""A folder that keeps sets of pictures as they were read, each as one array on disk."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.inside import files_below
from metadx.cases.stored import Room, Stored
from metadx.durable import NO_ROOM, DiskFull, in_words, sync, write_durably, write_text
from metadx.errors import UserError

_FORM = 1
_PICTURES, _COLUMNS, _ABOUT = "x.npy", "columns.npz", "about.json"
_ARRAYS = ("y", "patient", "site", "time", "name", "group")
_CHUNK = 1 << 26  # bytes


def through_store(store: Path, place: Path, how: str, read: Callable[[Room], Cases]) -> Cases:
    """Cases whose pictures lie on disk: those kept before, or read now and kept.

    What is kept counts only if it is whole, and if the files it was read from have the names, sizes and times of
    change that they had then. A set that was cut short, or whose source changed, is read anew.

    Args:
        store: the folder, made where there is none; it may keep many sets.
        place: the file or folder that cases are read from.
        how: everything else that decides what is read.
        read: the reader, which may ask for room on disk for its pictures.

    Raises:
        UserError: the cases are no pictures, or whatever the reader refuses.
        DiskFull: there is no room for them.
    """
    if store.resolve().is_relative_to(place.resolve()):
        raise UserError(f"data.store ({store}) lies in the data ({place}). Choose a folder beside them.")
    key = hashlib.sha256(f"{place.resolve()}\0{how}".encode()).hexdigest()[:16]
    kept = _opened(store / key, place)
    if kept is not None:
        return kept
    store.mkdir(parents=True, exist_ok=True)
    with _part(store, key) as part:
        before = _mark(place)
        rooms: list[NDArray[np.uint8]] = []

        def room(shape: tuple[int, ...]) -> NDArray[np.uint8]:
            rooms.append(_room(part / _PICTURES, shape))
            return rooms[-1]

        cases = read(room)
        if cases.x.dtype != np.uint8:
            raise UserError(
                f"{place}: data.store keeps pictures on disk, not {cases.modality} cases. Leave it out."
            )
        _write(part, place, cases, there=bool(rooms) and cases.x is rooms[-1])
        if _mark(place) != before:
            raise UserError(f"{place}: changed while it was read. Wait until it is whole, and begin again.")
        _put(part, store / key)
    kept = _opened(store / key, place)
    if kept is None:
        raise UserError(f"{store / key}: what was kept cannot be read back. Remove it and begin again.")
    return kept


def _put(part: Path, folder: Path) -> None:
    """Puts a whole set in the place of an older one, which who has it open goes on reading."""
    with contextlib.suppress(FileNotFoundError):
        folder.rename(part / "old")
    with contextlib.suppress(OSError):  # another process was first, with the same
        part.rename(folder)
    sync(folder.parent)
    shutil.rmtree(folder / "old", ignore_errors=True)


def _write(part: Path, place: Path, cases: Cases, *, there: bool) -> None:
    """All of a set, of which `about.json`, written last, says that it is whole; perhaps its pictures are there."""
    try:
        x: Any = cases.x
        if not there:
            on_disk = _room(part / _PICTURES, x.shape)
            step = max(1, _CHUNK // max(1, x[:1].nbytes))
            for start in range(0, len(x), step):
                on_disk[start : start + step] = x[start : start + step]
            x = on_disk
        x.flush()
        sync(part / _PICTURES)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFull(f"{part.parent}: no room for {in_words(cases.x.nbytes)} of pictures") from error
    columns = {name: column for name in _ARRAYS if (column := getattr(cases, name)) is not None}
    columns |= {f"detail {name}": column for name, column in cases.details.items()}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **columns)
    write_durably(part / _COLUMNS, content.getvalue())
    about = {
        "form": _FORM,
        "source": _mark(place, cases.name),
        "shape": cases.x.shape,
        "classes": cases.classes,
        "modality": cases.modality,
        "provenance": asdict(cases.provenance),
        "reach": cases.reach,
        "quantity": cases.quantity,
        "unit": cases.unit,
        "reader": cases.reader,
    }
    write_text(part / _ABOUT, json.dumps(about))


def _opened(folder: Path, place: Path) -> Cases | None:
    """A set that was kept; None where it is not whole or not of the files as they are."""
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        x = Stored(folder / _PICTURES)
        with np.load(folder / _COLUMNS, allow_pickle=False) as columns:
            arrays = dict(columns)
        name = arrays.get("name")
        if about["form"] != _FORM or x.dtype != np.uint8 or list(x.shape) != about["shape"]:
            return None
        if about["source"] != _mark(place, name):
            return None
        origin: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in about["provenance"].items()
        }
        details = {k.removeprefix("detail "): v for k, v in arrays.items() if k.startswith("detail ")}
        rest: dict[str, Any] = {k: about[k] for k in ("modality", "quantity", "unit", "reader")}
        return Cases(
            x=x,  # type: ignore[arg-type]
            **{k: v for k, v in arrays.items() if k in _ARRAYS},
            classes=tuple(about["classes"]),
            provenance=Provenance(**origin),
            details=details,
            reach=(about["reach"][0], about["reach"][1]),
            **rest,
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _room(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array on disk, of which every byte has its place there: writing to it cannot fail later."""
    path.unlink(missing_ok=True)  # what was mapped before stays what it was
    array: np.memmap[Any, np.dtype[np.uint8]] = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                raise DiskFull(
                    f"{path.parent.parent}: no room for {in_words(array.nbytes)} of pictures ({error.strerror})"
                ) from error
    return array


def _mark(place: Path, names: NDArray[np.str_] | None = None) -> str:
    """A digest of the names, sizes and times of change of the files of a place.

    Args:
        names: of pictures, relative to the folder of a file that lists them.
    """
    if place.is_dir():
        files = files_below(place)
    else:
        files = [place, *(place.parent / name for name in (() if names is None else names.tolist()))]
    digest = hashlib.sha256()
    for file in files:
        try:
            found = file.stat()
            told = f"{file}\0{found.st_size}\0{found.st_mtime_ns}\0"
        except (OSError, ValueError):
            told = f"{file}\0none\0"
        digest.update(told.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@contextlib.contextmanager
def _part(store: Path, key: str) -> Iterator[Path]:
    """A folder beside the sets for one that is being written, gone afterwards; those of killed processes go too."""
    host = "".join(c for c in platform.node() if c.isalnum()) or "host"
    for left in store.glob(f".{key}.{host}.*"):
        if not _alive(int(left.suffix[1:])):
            shutil.rmtree(left, ignore_errors=True)
    part = store / f".{key}.{host}.{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
