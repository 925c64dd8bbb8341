"""The sheet of a study and its folds on disk, for processes that work side by side."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadx.studies.own.crossval import Fold, Sheet

_FILE = "sheet.npz"


class Laid(NamedTuple):
    """A sheet and the folds of a cross-validation."""

    sheet: Sheet
    folds: tuple[Fold, ...]


def lay_out(folder: Path, name: str, sheet: Sheet, folds: list[Fold]) -> Path:
    """Writes a sheet and its folds; gives the file."""
    path = folder / f"{name}-{_FILE}"
    arrays = {f"test{at}": fold.test for at, fold in enumerate(folds)}
    held: dict[str, Any] = {
        "x": sheet.x,
        "y": sheet.y,
        "person": sheet.person,
        "ways": np.asarray(sheet.ways),
        "raw": np.asarray(sheet.raw),
        "channels": np.asarray(sheet.channels),
        "names": np.asarray([fold.name for fold in folds]),
        "rounds": np.asarray([fold.round for fold in folds]),
        **arrays,
    }
    np.savez(path, **held)
    read_laid.cache_clear()
    return path


@lru_cache(maxsize=2)
def read_laid(path: Path) -> Laid:
    """What `lay_out` wrote."""
    with np.load(path, allow_pickle=False) as held:
        sheet = Sheet(
            held["x"],
            held["y"],
            held["person"],
            int(held["ways"]),
            bool(held["raw"]),
            int(held["channels"]),
        )
        folds = tuple(
            Fold(str(name), str(part), held[f"test{at}"])
            for at, (name, part) in enumerate(zip(held["names"], held["rounds"], strict=True))
        )
    return Laid(sheet, folds)
