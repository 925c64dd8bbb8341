"""Reading a data set of MedIMeta: pictures with one or more tasks, as a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.hdf5 import read_hdf5_pictures
from metadx.cases.labels import used_classes
from metadx.cases.medimeta.declared import INFO, TaskInfo, chosen_task, declared_tasks, read_info
from metadx.cases.multilabel import one_of_many
from metadx.cases.npz import read_array
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.pictures import Size, describe_reading, read_pictures
from metadx.cases.tables import parse_table
from metadx.errors import UserError

LABELS, PICTURES, FOLDER = "task_labels", "images.hdf5", "images"

_PATIENTS = ("patient_id", "patient")
_SPLITS = ("train", "val", "test")
_MAX_BYTES = 100_000_000
_FILE = re.compile(r"(?:.*/)?(\d{6,9})\.tiff?")


def holds_medimeta(folder: Path) -> bool:
    """Whether a folder is a data set of MedIMeta."""
    return (folder / INFO).is_file() and (folder / LABELS).is_dir()


def read_medimeta(
    path: str | Path,
    *,
    task: str | None = None,
    label: str | None = None,
    patients: str | None = None,
    size: Size | None = None,
    channels: int | None = None,
) -> Cases:
    """Cases of one task of a MedIMeta folder.

    Binary, multi-class and ordinal tasks have conditions (the order of ordinal ones is not used); of multi-label
    tasks `label` chooses one; regression gives values. Patients are those of `annotations.csv`, where it names
    them. Pictures come from `images.hdf5`, or else from `images/000000.tiff` and so on. The source's splits are
    merged.

    Args:
        path: the folder, which holds `info.yaml`.
        task: the name of the task; may be left out where there is one.
        label: of a multi-label task, as in `metadx.cases.multilabel.one_of_many`.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for a set that names no patients.
        size, channels: as in `read_picture`.

    Raises:
        UserError: a file is absent or damaged, or files do not fit together; no such task, one of a kind that is
            not read, labels that are not declared; one condition only; or no patient ids.

    Source: Woerner et al., MedIMeta, Scientific Data 2024 (arXiv:2406.19298).
    """
    root = Path(path)
    info = read_info(root)
    chosen = chosen_task(declared_tasks(info, root), task, root)
    file = root / LABELS / f"{chosen.name}.npy"
    table = _labels(read_array(file), chosen, file)
    annotated = _annotations(root, len(table))
    _check_against(annotated, chosen, table, root)
    pictures = _pictures(root, len(table), size, channels)
    kept, y, classes, done = _outcome(table, chosen, label, file)
    name, notes = _names(root, len(table))
    whose = next((annotated[column] for column in _PATIENTS if column in annotated), None)
    if whose is None:
        mend = f"There is no column '{_PATIENTS[0]}' in annotations.csv: add it"
        whose, notes = vouched(patients, len(table), str(root), otherwise=mend), (VOUCHED, *notes)
    cases = Cases(
        x=pictures,
        y=np.zeros(len(table)),
        patient=whose,
        classes=(),
        modality="image",
        provenance=Provenance(
            source=f"MedIMeta, {str(info.get('name', root.name))[:200]}, {root}",
            licence=str(info.get("license") or info.get("licence") or "unknown")[:200],
            preprocessing=(
                f"task '{chosen.name}' ({chosen.target})",
                *done,
                *describe_reading(size, channels, None),
            ),
            notes=notes,
        ),
        name=name,
    )
    return replace(cases.select(kept) if len(kept) < len(table) else cases, y=y, classes=classes)


def _labels(found: NDArray[Any], task: TaskInfo, file: Path) -> NDArray[Any]:
    """Whole numbers, shape (pictures, labels per picture), or values, shape (pictures, 1)."""
    table = found[:, None] if found.ndim == 1 else found
    wide = table.shape[1] if table.ndim == 2 else 0
    if (
        table.ndim != 2
        or table.dtype.kind not in "iufb"
        or not len(table)
        or (task.kind != "several" and wide != 1)
    ):
        raise UserError(f"{file}: labels are {found.dtype} of shape {found.shape}. Get the file again.")
    if not np.isfinite(table).all():
        row = int(np.argwhere(~np.isfinite(table))[0][0])
        raise UserError(f"{file}: the label of picture {row} is missing or infinite. Leave that picture out.")
    if task.kind == "values":
        return table.astype(np.float64)
    whole = table.astype(np.int64)
    if (whole != table).any():
        raise UserError(f"{file}: labels are fractions, but the task is {task.target}. Get the file again.")
    top = 2 if task.kind == "several" else len(task.labels)
    if whole.min() < 0 or whole.max() >= top:
        raise UserError(
            f"{file}: labels run from {whole.min()} to {whole.max()}, but the task has 0 to {top - 1}. "
            "Get it again."
        )
    return whole


def _outcome(
    table: NDArray[Any], task: TaskInfo, label: str | None, file: Path
) -> tuple[NDArray[np.int64], NDArray[Any], tuple[str, ...], tuple[str, ...]]:
    """Which pictures are kept, their labels, the names of these, and what was done."""
    if task.kind == "several":
        return one_of_many(table, task.labels, label, str(file))
    if label is not None:
        raise UserError(f"{file}: one label per picture; label='{label[:60]}' is for several. Leave it out.")
    every = np.arange(len(table))
    if task.kind == "values":
        return every, table[:, 0], (), ()
    y, classes = used_classes(table[:, 0], task.labels, str(file))
    return every, y, classes, ()


def _annotations(root: Path, count: int) -> dict[str, NDArray[np.str_]]:
    """Columns of `annotations.csv`, a row per picture in their order; none where there is no such file."""
    file = root / "annotations.csv"
    if not file.exists():
        return {}
    columns = parse_table(file)
    if "filepath" not in columns:
        raise UserError(f"{file}: no column 'filepath'. Get the file again.")
    order = np.argsort(_numbers([str(cell) for cell in columns["filepath"]], file))
    if len(order) != count:
        raise UserError(f"{file}: {len(order)} rows for {count} pictures. Get the files again.")
    kept = [n for n in columns if n in _PATIENTS or n.startswith("tasks/")]
    return {name: columns[name][order].astype(np.str_) for name in kept}


def _numbers(paths: Sequence[str], file: Path) -> NDArray[np.int64]:
    """The number of each picture, from `images/000012.tiff`; every one from 0 on, once."""
    found = [_FILE.fullmatch(path) for path in paths]
    bad = next((at for at, match in enumerate(found) if match is None), None)
    if bad is not None:
        raise UserError(f"{file}: row {bad + 1}: '{paths[bad][:60]}' is no images/000000.tiff. Get it again.")
    numbers = np.asarray([int(match[1]) for match in found if match], dtype=np.int64)
    if (np.sort(numbers) != np.arange(len(numbers))).any():
        raise UserError(f"{file}: does not name every picture once. Get the file again.")
    return numbers


def _check_against(
    annotated: Mapping[str, NDArray[np.str_]], task: TaskInfo, table: NDArray[Any], root: Path
) -> None:
    """Refuses labels that the annotations contradict."""
    said = annotated.get(f"tasks/{task.name}")
    if said is None or task.kind == "several":
        return
    try:
        other = said.astype(np.float64)
    except ValueError:
        return
    wrong = np.flatnonzero(np.abs(other - table[:, 0]) > 1e-6 * (1 + np.abs(other)))
    if len(wrong):
        raise UserError(
            f"{root}: annotations.csv says {said[wrong[0]]} of picture {wrong[0]}, {LABELS} {table[wrong[0], 0]} "
            f"({len(wrong)} differ). Get the files again."
        )


def _pictures(root: Path, count: int, size: Size | None, channels: int | None) -> NDArray[np.uint8]:
    packed, folder = root / PICTURES, root / FOLDER
    if packed.is_file():
        pictures = read_hdf5_pictures(packed, FOLDER, size=size, channels=channels)
    elif folder.is_dir():
        files = [folder / f"{number:06d}.tiff" for number in range(count)]
        missing = next((file for file in files if not file.is_file()), None)
        if missing is not None:
            raise UserError(f"{missing}: no such picture, but there are {count} labels. Get the files again.")
        pictures = read_pictures(files, size=size, channels=channels)
    else:
        raise UserError(f"{root}: neither {PICTURES} nor {FOLDER}/. Get the pictures too.")
    if len(pictures) != count:
        raise UserError(f"{packed}: {len(pictures)} pictures for {count} labels. Get the files again.")
    return pictures


def _names(root: Path, count: int) -> tuple[NDArray[np.str_], tuple[str, ...]]:
    """What to call each picture: by its split, where the source's splits hold every picture once; and notes."""
    plain = [f"{number:06d}" for number in range(count)]
    folder = next((root / n for n in ("splits", "original_splits") if (root / n).is_dir()), None)
    if folder is None:
        return np.asarray(plain), ()
    split: dict[int, str] = {}
    twice = 0
    for name in _SPLITS:
        file = folder / f"{name}.txt"
        if not file.is_file():
            continue
        for line in _lines(file):
            match = _FILE.fullmatch(line)
            if match is None or int(match[1]) >= count:
                raise UserError(f"{file}: '{line[:60]}' is none of the {count} pictures. Get the file again.")
            twice += int(match[1]) in split
            split[int(match[1])] = name
    notes = (f"The splits of {folder.name} were merged.",)
    if twice:
        return np.asarray(plain), (
            *notes,
            f"{twice} pictures are in two of the source's splits, or twice in one.",
        )
    if len(split) < count:
        return np.asarray(plain), (
            *notes,
            f"{count - len(split)} pictures are in none of the source's splits.",
        )
    return np.asarray([f"{split[number]}/{plain[number]}" for number in range(count)]), notes


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise UserError(f"{file}: larger than 100 MB. Is this MedIMeta?")
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as why:
        raise UserError(
            f"{file}: cannot be read ({' '.join(str(why).split())[:120]}). Get it again."
        ) from why
