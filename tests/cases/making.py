"""Small sets of pictures and scans in the layouts that readers take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

TASKS: tuple[dict[str, Any], ...] = (
    {
        "task_name": "cell type",
        "task_target": "MULTICLASS_CLASSIFICATION",
        "labels": {0: "a", 1: "b", 2: "c"},
    },
    {"task_name": "malignant", "task_target": "BINARY_CLASSIFICATION", "labels": {0: "no", 1: "yes"}},
    {"task_name": "grade", "task_target": "ORDINAL_REGRESSION", "labels": {0: "0", 1: "1", 2: "2", 3: "3"}},
    {"task_name": "signs", "task_target": "MULTILABEL_CLASSIFICATION", "labels": {0: "mass", 1: "scar"}},
    {"task_name": "age", "task_target": "REGRESSION"},
    {"task_name": "outline", "task_target": "SEGMENTATION", "labels": {0: "out", 1: "in"}},
)


def task_labels(count: int) -> dict[str, NDArray[Any]]:
    """Labels of `TASKS` for so many pictures."""
    number = np.arange(count)
    return {
        "cell type": number % 3,
        "malignant": number % 2,
        "grade": number // 2 % 4,
        "signs": np.column_stack([number % 2, number // 2 % 2]),
        "age": 20.5 + number,
        "outline": np.zeros((count, 4, 4), np.uint8),
    }


def write_medimeta(
    folder: Path,
    *,
    count: int = 24,
    side: int = 8,
    channels: int = 3,
    tasks: Sequence[dict[str, Any]] = TASKS,
    packed: bool = True,
    patients: bool = True,
) -> Path:
    """A MedIMeta folder whose picture n is of brightness 10 n, two pictures to a patient."""
    for name in ("task_labels", "splits"):
        (folder / name).mkdir(parents=True)
    info = {
        "id": folder.name,
        "name": "Made up",
        "tasks": list(tasks),
        "input_size": [channels, side, side],
        "license": "CC0",
    }
    (folder / "info.yaml").write_text(yaml.safe_dump(info), encoding="utf-8")
    labels = task_labels(count)
    for one in tasks:
        np.save(folder / "task_labels" / f"{one['task_name']}.npy", labels[one["task_name"]])
    images = np.broadcast_to(
        (10 * np.arange(count) % 256).astype(np.uint8)[:, None, None, None], (count, side, side, channels)
    )
    if packed:
        with h5py.File(folder / "images.hdf5", "w") as file:
            file["images"] = images
    else:
        (folder / "images").mkdir()
        for number, picture in enumerate(images):
            plain = picture[..., 0] if channels == 1 else picture
            Image.fromarray(np.ascontiguousarray(plain)).save(folder / "images" / f"{number:06d}.tiff")
    names = [f"images/{number:06d}.tiff" for number in range(count)]
    for split, part in (("train", names[::2]), ("test", names[1::2])):
        (folder / "splits" / f"{split}.txt").write_text("\n".join(part), encoding="utf-8")
    rows = [f"{name},{labels['cell type'][at]},p{at // 2}" for at, name in enumerate(names)]
    header = "filepath,tasks/cell type," + ("patient_id" if patients else "note")
    (folder / "annotations.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def write_scans(folder: Path, conditions: int = 2, scans: int = 3, side: int = 6) -> Path:
    """Class folders of NIfTI volumes, `p<condition>-<number>_scan.nii.gz`, of a brightness of their own."""
    rng = np.random.default_rng(0)
    for condition in range(conditions):
        inside = folder / f"kind {condition}"
        inside.mkdir(parents=True)
        for number in range(scans):
            values = rng.normal(100 * condition, 5, (side, side + 1, side + 2)).astype(np.float32)
            image: Any = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0]))
            image.to_filename(inside / f"p{condition}-{number}_scan.nii.gz")
    return folder
