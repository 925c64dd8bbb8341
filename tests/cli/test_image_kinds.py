"""From files to findings, for every kind of picture set: volumes, slices, MedIMeta and MedMNIST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases.making import write_medimeta, write_scans
from cases.test_scans import write_series
from cli.conftest import Metadx
from studies.making import VOUCHED, write_recipe

TASK = {"ways": 2, "shots": 1, "query": 1}
PATTERN = r"^(p[\d-]+)_"


def medmnist(path: Path, shape: tuple[int, ...]) -> Path:
    """A MedMNIST archive of six conditions of a brightness each."""
    arrays = {}
    for split, count in (("train", 24), ("val", 6), ("test", 12)):
        label = np.arange(count) % 6
        arrays[f"{split}_labels"] = label[:, None].astype(np.uint8)
        grey = 40 * label.reshape(-1, *(1,) * len(shape)) + np.zeros(shape)
        arrays[f"{split}_images"] = grey.astype(np.uint8)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def prepare(kind: str, folder: Path) -> tuple[dict[str, Any], Path]:
    """The `data` of a recipe, and what to adapt to and diagnose."""
    if kind in ("nifti volumes", "nifti slices"):
        root = write_scans(folder / "set", conditions=6, scans=3)
        scans = {"slices": 2} if kind == "nifti slices" else {"low": -50, "high": 600}
        return {"folder": "set", "patient_pattern": PATTERN, "size": 8, "scans": scans}, root
    if kind == "dicom series":
        for condition in range(6):
            for number in range(3):
                write_series(folder / "set" / f"kind {condition}" / f"{number}", f"p{condition}-{number}", 3)
        return {"folder": "set", "size": 8, "scans": {}}, folder / "set"
    if kind == "medimeta":
        tasks = [
            {
                "task_name": "grade",
                "task_target": "ORDINAL_REGRESSION",
                "labels": {at: f"grade {at}" for at in range(6)},
            },
            {"task_name": "malignant", "task_target": "BINARY_CLASSIFICATION", "labels": {0: "no", 1: "yes"}},
        ]
        root = write_medimeta(folder / "set", count=36, tasks=tasks, patients=False)
        np.save(root / "task_labels" / "grade.npy", np.arange(36) % 6)
        (root / "annotations.csv").unlink()
        return {"folder": "set", "task": "grade", "patients": VOUCHED, "size": 8}, root
    shape = (7, 8, 9) if kind == "medmnist 3D" else (8, 9, 3)
    return {"csv": "set.npz", "patients": VOUCHED, "size": 8}, medmnist(folder / "set.npz", shape)


@pytest.mark.parametrize(
    "kind", ["nifti volumes", "nifti slices", "dicom series", "medimeta", "medmnist 2D", "medmnist 3D"]
)
def test_a_set_is_trained_on_audited_adapted_to_and_diagnosed(
    metadx: Metadx, tmp_path: Path, kind: str
) -> None:
    data, place = prepare(kind, tmp_path)
    recipe = write_recipe(
        tmp_path / "recipe.yaml",
        {**data, "split": {"share": [1, 1, 1], "least": 2}},
        tasks=TASK,
        learner={"name": "auto", "width": 4, "norm": "group"},
        training={"iterations": 2, "meta_batch": 1, "validate_every": 1, "validation_tasks": 2},
        evaluation={"shots": [1], "episodes": 3, "query": 1, "tuning_tasks": 2},
    )
    metadx("train", recipe, "--out", tmp_path / "run").ok()
    options = ["--task", "grade"] if kind == "medimeta" else []
    assert "cases" in metadx("audit", place, "--size", 8, *options).ok().out
    if kind == "medimeta":
        said = metadx("audit", place).mistake()
        assert "2 tasks: 'grade' (ORDINAL_REGRESSION), 'malignant'" in said
    metadx("adapt", tmp_path / "run", "--support", place, "--out", tmp_path / "bundle", *options).ok()
    findings = json.loads(metadx("diagnose", tmp_path / "bundle", place, "--json", *options).ok().out)
    counts = {"nifti slices": 36, "nifti volumes": 18, "dicom series": 18, "medimeta": 36}
    assert len(findings) == counts.get(kind, 42)
    assert all(0 <= p <= 1 for finding in findings for p in finding["probabilities"].values())


def test_settings_of_another_kind_are_refused_by_name(metadx: Metadx, tmp_path: Path) -> None:
    write_scans(tmp_path / "set", conditions=6, scans=2)
    data = {"folder": "set", "patients": VOUCHED}
    for changed, said in (
        ({"task": "x"}, "set: task is not for it: tasks are of MedIMeta folders"),
        ({"label": "x"}, "set: label is not for it: class folders say the label"),
        ({"size": [4, 5]}, "size=(4, 5): give the side of a cube, or (depth, height, width), for volumes"),
        (
            {"scans": {"slices": 2}, "size": [4, 5, 6]},
            "size=(4, 5, 6): give a side in pixels, or (height, width)",
        ),
        (
            {"scans": {"plane": "oblique"}},
            "'data.scans' is 'oblique': input should be 'sagittal', 'coronal'",
        ),
        ({"scans": {"low": 5, "high": 1}}, "low=5 is not below high=1"),
        ({"backbone": "efficientnet-lite0", "size": 8}, "data.backbone embeds pictures, not volumes"),
        (
            {"augment": ["flip"], "size": 8},
            "augmentations (flip) change pictures, not inputs of shape (1, 8, 8, 8)",
        ),
    ):
        split = {"share": [1, 1, 1], "least": 2}
        recipe = write_recipe(tmp_path / "recipe.yaml", {**data, **changed, "split": split}, tasks=TASK)
        assert said in metadx("train", recipe, "--out", tmp_path / "out").mistake()


def test_sets_of_several_layouts_are_read_together(metadx: Metadx, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tasks = [
            {"task_name": "cell type", "task_target": "MULTICLASS_CLASSIFICATION", "labels": ["a", "b", "c"]},
            {"task_name": "signs", "task_target": "MULTILABEL_CLASSIFICATION", "labels": ["mass", "scar"]},
        ]
        write_medimeta(tmp_path / name, tasks=tasks, patients=False)
    medmnist(tmp_path / "three.npz", (8, 8, 3))
    sets = {"train": ["one#cell type"], "validation": ["two#signs#exactly one"], "test": ["three.npz"]}
    data = {"sets": sets, "patients": VOUCHED, "size": 8, "channels": 3}
    recipe = write_recipe(
        tmp_path / "recipe.yaml",
        data,
        tasks=TASK,
        learner={"name": "auto", "width": 4},
        training={"iterations": 1, "meta_batch": 1, "validate_every": 1, "validation_tasks": 1},
        evaluation={"shots": [1], "episodes": 2, "query": 1, "tuning_tasks": 1},
    )
    metadx("train", recipe, "--out", tmp_path / "run").ok()
    known = json.loads((tmp_path / "run" / "run.json").read_text())["split"]
    assert list(known["train"]) == ["one#cell type: a", "one#cell type: b", "one#cell type: c"]
    assert list(known["validation"]) == ["two#signs#exactly one: mass", "two#signs#exactly one: scar"]
    assert list(known["test"]) == [f"three: {at}" for at in range(6)]
