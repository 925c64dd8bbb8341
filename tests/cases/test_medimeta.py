"""MedIMeta folders: every kind of task that can be one, and what does not fit together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from numpy.testing import assert_array_equal

from cases.making import TASKS, task_labels, write_medimeta
from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, audit_cases
from metadx.cases.medimeta import read_medimeta
from metadx.cases.own import Asked, Pictures, read_own
from metadx.errors import UserError


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        read_medimeta(folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("packed", [True, False])
def test_conditions_patients_and_splits_are_read(tmp_path: Path, packed: bool) -> None:
    cases = read_medimeta(write_medimeta(tmp_path / "cells", packed=packed), task="cell type")
    assert cases.x.shape == (24, 3, 8, 8)
    assert_array_equal(cases.x[:, 0, 0, 0], 10 * np.arange(24) % 256)
    assert_array_equal(cases.y, task_labels(24)["cell type"])
    assert cases.classes == ("a", "b", "c")
    assert cases.patient.tolist()[:4] == ["p0", "p0", "p1", "p1"]
    assert cases.name is not None
    assert cases.name[:2].tolist() == ["train/000000", "test/000001"]
    assert cases.provenance.licence == "CC0"
    leaks = audit_cases(cases).leaks
    assert any(leak.kind == "split" for leak in leaks)  # the splits of the source part every patient


@pytest.mark.parametrize(("task", "classes"), [("malignant", ("no", "yes")), ("grade", ("0", "1", "2", "3"))])
def test_binary_and_ordinal_tasks_have_conditions(
    tmp_path: Path, task: str, classes: tuple[str, ...]
) -> None:
    cases = read_medimeta(write_medimeta(tmp_path / "cells"), task=task)
    assert cases.classes == classes
    assert_array_equal(cases.y, task_labels(24)[task])


def test_values_are_values(tmp_path: Path) -> None:
    cases = read_medimeta(write_medimeta(tmp_path / "cells"), task="age")
    assert cases.regression
    assert_array_equal(cases.y, 20.5 + np.arange(24))


def test_of_several_labels_one_is_chosen(tmp_path: Path) -> None:
    folder = write_medimeta(tmp_path / "cells")
    assert "multi-label, 2 per case (mass, scar). Choose one with label=" in refusal(folder, task="signs")
    cases = read_medimeta(folder, task="signs", label="scar")
    assert cases.classes == ("no scar", "scar")
    assert_array_equal(cases.y, task_labels(24)["signs"][:, 1])
    one = read_medimeta(folder, task="signs", label="exactly one")
    assert (len(one), one.classes) == (12, ("mass", "scar"))
    assert one.provenance.preprocessing[1] == "12 of 24 cases with no label or several were left out"
    assert "label='scar' is for several" in refusal(folder, task="grade", label="scar")


def test_tasks_are_chosen_by_name_and_other_kinds_refused_by_name(tmp_path: Path) -> None:
    folder = write_medimeta(tmp_path / "cells")
    said = refusal(folder)
    assert "6 tasks: 'cell type' (MULTICLASS_CLASSIFICATION)" in said
    assert "Choose one with task=" in said
    assert "no task 'grad'; did you mean 'grade'?" in refusal(folder, task="grad")
    assert "task 'outline' is SEGMENTATION, which is not read. Read are binary" in refusal(
        folder, task="outline"
    )
    alone = write_medimeta(tmp_path / "alone", tasks=TASKS[:1], channels=1, side=6)
    assert read_medimeta(alone, size=4, channels=3).x.shape == (24, 3, 4, 4)
    assert "no info.yaml. Give one of the folders alone, cells" in refusal(tmp_path)


def test_without_patients_someone_must_vouch(tmp_path: Path) -> None:
    folder = write_medimeta(tmp_path / "cells", patients=False)
    assert "no patient ids. There is no column 'patient_id' in annotations.csv" in refusal(
        folder, task="grade"
    )
    cases = read_medimeta(folder, task="grade", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(set(cases.patient)) == 24
    (folder / "annotations.csv").unlink()
    assert len(read_medimeta(folder, task="grade", patients=EVERY_CASE_ITS_OWN_PATIENT)) == 24


def _edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        file = folder / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def _labels(values: Any) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / "task_labels" / "cell type.npy", values, allow_pickle=True)


def _images(**arrays: Any) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        with h5py.File(folder / "images.hdf5", "w") as file:
            for name, values in arrays.items():
                file[name] = values

    return write


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_labels(np.arange(23) % 3), "24 rows for 23 pictures"),
        (_labels(np.arange(24)), "labels run from 0 to 23, but the task has 0 to 2"),
        (_labels(np.arange(24) % 3 + 0.5), "labels are fractions"),
        (_labels(np.where(np.arange(24) == 5, np.nan, 0.0)), "the label of picture 5 is missing or infinite"),
        (_labels(np.zeros((24, 2), int)), "labels are int64 of shape (24, 2)"),
        (_labels(np.array(["a"] * 24, dtype=object)), "pickled objects"),
        (_labels((np.arange(24) + 1) % 3), "annotations.csv says 0 of picture 0, task_labels 1 (24 differ)"),
        (
            _edit("annotations.csv", "images/000003.tiff", "images/000004.tiff"),
            "does not name every picture once",
        ),
        (_edit("annotations.csv", "images/000003.tiff", "x.png"), "row 4: 'x.png' is no images/000000.tiff"),
        (_edit("annotations.csv", "filepath", "file"), "no column 'filepath'"),
        (_edit("splits/train.txt", "000002", "000099"), "'images/000099.tiff' is none of the 24 pictures"),
        (_edit("info.yaml", "tasks:", "tusks:"), "lists no tasks"),
        (_edit("info.yaml", "tasks:", "tasks: ["), "cannot be read as YAML"),
        (_edit("info.yaml", "0: a", "7: a"), "the labels of task 'cell type' are not numbered from 0"),
        (_edit("info.yaml", "0: a", "0: b"), "two labels of task 'cell type' have one name"),
        (
            _edit("info.yaml", "task_name: grade", "task_name: ../grade"),
            "without a name that can be a file's",
        ),
        (_images(images=np.zeros((23, 8, 8, 3), np.uint8)), "23 pictures for 24 labels"),
        (_images(images=np.zeros((24, 8, 8, 3), np.float32)), "'images' is float32 of shape"),
        (
            _images(images=np.zeros((24, 8, 8, 2), np.uint8)),
            "uint8, (pictures, height, width, 1 or 3), is read",
        ),
        (_images(other=np.zeros(3)), "no dataset 'images' of its own"),
        (
            lambda folder: (folder / "images.hdf5").write_bytes(b"\x89HDF\r\n\x1a\nno"),
            "images.hdf5: cannot be read (",
        ),
        (lambda folder: (folder / "images.hdf5").unlink(), "neither images.hdf5 nor images/"),
        (lambda folder: (folder / "task_labels" / "cell type.npy").unlink(), "cell type.npy: no such file"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    folder = write_medimeta(tmp_path / "cells")
    damage(folder)
    assert said in refusal(folder, task="cell type")


def test_pictures_in_another_file_and_absurd_claims_are_refused(tmp_path: Path) -> None:
    folder = write_medimeta(tmp_path / "cells")
    (folder / "images.hdf5").rename(tmp_path / "elsewhere.hdf5")
    with h5py.File(folder / "images.hdf5", "w") as file:
        file["images"] = h5py.ExternalLink(str(tmp_path / "elsewhere.hdf5"), "images")
    assert "no dataset 'images' of its own" in refusal(folder, task="grade")
    with h5py.File(folder / "images.hdf5", "w") as file:
        file.create_dataset("images", (24, 100_000, 100_000, 3), np.uint8, chunks=(1, 64, 64, 3))
    assert "claims 24 pictures, 671 GiB" in refusal(folder, task="grade")


def test_labels_may_be_listed_and_kinds_spelt_in_words(tmp_path: Path) -> None:
    tasks = [
        {"task_name": "cell type", "task_target": "multi-class classification", "labels": ["a", "b", "c"]}
    ]
    folder = write_medimeta(tmp_path / "cells", tasks=tasks)
    assert read_medimeta(folder).classes == ("a", "b", "c")
    assert yaml.safe_load((folder / "info.yaml").read_text())["tasks"][0]["labels"] == ["a", "b", "c"]


def test_a_study_takes_the_first_task_that_has_conditions_or_the_one_named(tmp_path: Path) -> None:
    folder = write_medimeta(tmp_path / "cells")
    own = read_own(folder, pictures=Pictures(size=6))
    assert (own.kind, own.cases.classes, own.cases.x.shape) == ("pictures", ("a", "b", "c"), (24, 3, 6, 6))
    assert own.choices[0].sentence == "The task 'cell type' of a MedIMeta set. --label chooses another of 3."
    assert own.choices[1].sentence == "12 patients, told by annotations.csv."
    assert read_own(folder, Asked(label="malignant")).cases.classes == ("no", "yes")
    (folder / "annotations.csv").unlink()
    assert "every picture is taken for another patient" in read_own(folder).choices[1].sentence


def test_pictures_in_two_splits_are_noted(tmp_path: Path) -> None:
    folder = write_medimeta(tmp_path / "cells")
    with (folder / "splits" / "test.txt").open("a") as file:
        file.write("\nimages/000000.tiff\n")
    cases = read_medimeta(folder, task="grade")
    assert "1 pictures are in two of the source's splits" in cases.provenance.notes[1]
    (folder / "splits" / "test.txt").unlink()
    cases = read_medimeta(folder, task="grade")
    assert "12 pictures are in none of the source's splits" in cases.provenance.notes[1]
