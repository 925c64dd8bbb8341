"""Labelled signals of equal length in the UCR archive's files: one per line, its label first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.inside import children
from metadx.cases.labels import number_classes
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.textfile import sha256_of, text_lines
from metadx.errors import UserError

_SPLITS = {"_TRAIN": "train", "_TEST": "test"}
_SUFFIXES = (".tsv", ".txt", ".csv")
_MOST_VALUES = 100_000_000
_MISSING = frozenset(("", "?", "nan"))


def read_ucr(
    path: str | Path,
    *,
    rate: float | None = None,
    conditions: Mapping[str, str] | None = None,
    patients: str | None = None,
) -> Cases:
    """One case per line of `NAME_TRAIN.tsv` and `NAME_TEST.tsv`; `details["split"]` says which file it came from.

    `x` has shape (cases, 1, samples), float32, NaN where a value is missing or a shorter signal ends.

    Args:
        path: the folder of the two files, or one file.
        rate: samples per second, where it is known; the archive does not say it.
        conditions: what labels stand for, which the archive numbers.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`; the archive has no patient ids.

    Raises:
        UserError: no such file, a line that cannot be read or is of another length, or one class.

    Source: Dau et al., "The UCR Time Series Archive", IEEE/CAA Journal of Automatica Sinica 2019.
    """
    place = Path(path)
    files = _files(place)
    read = [(file, *_lines(file)) for file in files]
    samples = max(x.shape[1] for _, _, x in read)
    other = next((file for file, _, x in read if x.shape[1] != samples), None)
    if other is not None:
        raise UserError(f"{other}: its lines are shorter than the other file's {samples} samples. Mend it.")
    labels = [label for _, found, _ in read for label in found]
    y, classes = number_classes(labels, str(place))
    split = [_split(file) for file, found, _ in read for _ in found]
    otherwise = "UCR files have none"
    whose = vouched(patients, len(y), str(place), otherwise=otherwise)
    lead = f"{rate:g} samples per second" if rate else "the samples per second are not known"
    return Cases(
        x=np.concatenate([x for _, _, x in read])[:, None],
        y=y,
        patient=whose,
        classes=tuple((conditions or {}).get(name, name) for name in classes),
        modality="signal",
        provenance=Provenance(
            source=str(place),
            checksum=", ".join(sha256_of(file) for file in files),
            preprocessing=(f"{samples} samples; {lead}",),
            notes=(VOUCHED,),
        ),
        details={"split": np.array(split)},
    )


def holds_ucr(folder: Path) -> bool:
    """Whether a folder holds a `NAME_TRAIN.tsv`."""
    return folder.is_dir() and any(file.name.endswith("_TRAIN.tsv") for file in children(folder))


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder. Give the folder of NAME_TRAIN.tsv.")
    found = [p for p in children(place) if p.suffix in _SUFFIXES and _split(p) != "all"]
    names = {p.stem.rpartition("_")[0] for p in found}
    if not found or len(names) > 1 or len({_split(p) for p in found}) != len(found):
        shown = ", ".join(p.name for p in found[:4]) or "none"
        raise UserError(f"{place}: needs NAME_TRAIN.tsv and NAME_TEST.tsv of one set; found {shown}.")
    return found


def _split(path: Path) -> str:
    return next((split for end, split in _SPLITS.items() if path.stem.endswith(end)), "all")


def _lines(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    labels: list[str] = []
    rows: list[NDArray[np.float32]] = []
    with text_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            cells = line.split("\t" if "\t" in line else "," if "," in line else None)
            if not line.strip():
                continue
            what = f"{path}: line {number}"
            if len(cells) < 2 or not cells[0].strip():
                raise UserError(f"{what} is no label and samples, separated by tabs. Get the file again.")
            labels.append(_label(cells[0].strip()))
            rows.append(_samples(cells[1:], what))
            if len(rows[-1]) != len(rows[0]):
                raise UserError(
                    f"{what} has {len(rows[-1])} samples, the first line {len(rows[0])}. Mend it."
                )
            if len(rows) * len(rows[0]) > _MOST_VALUES:
                raise UserError(f"{path}: more than {_MOST_VALUES:,} values. Keep fewer.")
    if not rows:
        raise UserError(f"{path}: no lines. Get the file again.")
    return labels, np.stack(rows)


def _label(text: str) -> str:
    """Labels such as 1.0000000e+00 as the whole numbers that they are."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _samples(cells: list[str], what: str) -> NDArray[np.float32]:
    values = np.empty(len(cells), dtype=np.float32)
    for at, cell in enumerate(cells):
        text = cell.strip()
        if text.lower() in _MISSING:
            values[at] = np.nan
            continue
        try:
            number = float(text)
        except ValueError:
            number = np.inf
        if not abs(number) < 3e38 or "_" in text:
            raise UserError(f"{what}, sample {at + 1}: '{text[:40]}' is no finite number. Mend it.")
        values[at] = number
    if not np.isfinite(values).any():
        raise UserError(f"{what} has no sample that is known. Leave it out.")
    return values
