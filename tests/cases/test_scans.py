"""Scans in class folders, manifests and alone: whole volumes or slices, and what is no volume."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal

from cases.making import write_scans
from metadx.cases import (
    EVERY_CASE_ITS_OWN_PATIENT,
    Inputs,
    Reading,
    Scans,
    audit_cases,
    inputs_from_parts,
    inputs_to_parts,
    read_files,
    read_folders,
    read_observations,
    read_scan_folders,
    read_table,
)
from metadx.cases.nifti import read_nifti
from metadx.cases.preprocess import Pixels
from metadx.cases.slices import slice_pictures
from metadx.errors import UserError

SERIES = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
VOUCHED = EVERY_CASE_ITS_OWN_PATIENT
PATTERN = r"^(p[\d-]+)_"


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        read()
    assert "\n" not in str(error.value)
    return str(error.value)


def write_series(folder: Path, patient: str, slices: int = 4, **attributes: Any) -> Path:
    """A DICOM series of CT slices, whose names run against their order and have no suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(slices):
        dataset = pydicom.dcmread(SERIES / "77654033" / "CT2" / "17106")
        rng = np.random.default_rng(at)
        dataset.PatientID = patient
        dataset.SeriesInstanceUID = f"1.2.3.{sum(map(ord, str(folder)))}"
        dataset.SOPInstanceUID = f"{dataset.SeriesInstanceUID}.{at}"
        dataset.ImagePositionPatient = [0, 0, 3 * at]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [1, 1]
        dataset.StudyDate = dataset.AcquisitionDate = "20240229"
        dataset.Rows, dataset.Columns = 5, 6
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        dataset.PixelData = rng.integers(-160 + 50 * at, 50 * at, (5, 6)).astype(np.int16).tobytes()
        for name, value in attributes.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"IM{slices - at}")
    return folder


def test_class_folders_of_nifti_become_volumes(tmp_path: Path) -> None:
    root = write_scans(tmp_path / "scans")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "._p0-0_scan.nii.gz").write_bytes(b"stray")
    (root / "kind 0" / "._p0-0_scan.nii.gz").write_bytes(b"stray")
    cases = read_scan_folders(root, patient_pattern=PATTERN)
    assert cases.x.shape == (6, 1, 8, 7, 6)  # axial pictures from foot to head
    assert cases.classes == ("kind 0", "kind 1")
    assert cases.patient.tolist() == ["p0-0", "p0-1", "p0-2", "p1-0", "p1-1", "p1-2"]
    volume = read_nifti(root / "kind 1" / "p1-1_scan.nii.gz")
    assert_array_equal(cases.x[4, 0], slice_pictures(volume, "axial")[:, 0])
    assert cases.name is not None
    assert cases.name[4] == "kind 1/p1-1_scan.nii.gz"
    assert audit_cases(cases).unchecked[-1].startswith("Near-duplicates: volumes are compared")


def test_size_brings_volumes_to_one_and_bounds_set_the_greys(tmp_path: Path) -> None:
    root = write_scans(tmp_path / "scans")
    cases = read_scan_folders(root, Scans(low=-50, high=150), patients=VOUCHED, size=(4, 5, 3))
    assert cases.x.shape == (6, 1, 4, 5, 3)
    means = cases.x.reshape(6, -1).mean(1)
    np.testing.assert_allclose(means[:3], 255 * 50 / 200, atol=2)
    np.testing.assert_allclose(means[3:], 255 * 150 / 200, atol=2)
    assert read_scan_folders(root, patients=VOUCHED, size=4).x.shape == (6, 1, 4, 4, 4)
    assert "values from -50 to 150" in cases.provenance.preprocessing[0]


def test_slices_are_pictures_of_one_patient(tmp_path: Path) -> None:
    root = write_scans(tmp_path / "scans")
    cases = read_files(
        root, Reading(patient_pattern=PATTERN, scans=Scans(slices=3, plane="coronal"), size=8, channels=3)
    )
    assert cases.x.shape == (18, 3, 8, 8)
    assert cases.patient.tolist()[:4] == ["p0-0", "p0-0", "p0-0", "p0-1"]
    assert cases.name is not None
    assert cases.name[1] == "kind 0/p0-0_scan.nii.gz coronal 3"
    assert "but slices=9" in refusal(lambda: read_scan_folders(root, Scans(slices=9), patients=VOUCHED))


def test_scans_without_patients_of_other_sizes_or_none_are_refused(tmp_path: Path) -> None:
    root = write_scans(tmp_path / "scans")
    assert "no patient ids. Give a patient pattern" in refusal(lambda: read_scan_folders(root))
    write_scans(tmp_path / "large", side=7)
    shutil.copy(tmp_path / "large" / "kind 0" / "p0-0_scan.nii.gz", root / "kind 0" / "z.nii.gz")
    said = refusal(lambda: read_scan_folders(root, patients=VOUCHED))
    assert "is 8 x 7 x 6 but" in said
    assert "is 9 x 8 x 7. Give size=" in said
    (root / "kind 2").mkdir()
    assert "no NIfTI or DICOM scans" in refusal(lambda: read_scan_folders(root, patients=VOUCHED, size=4))
    both = {"patients": VOUCHED, "patient_pattern": PATTERN}
    assert "Give one of them" in refusal(lambda: read_scan_folders(root, **both))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"slices": 0}, "slices=0: give 1 or more"),
        ({"slices": "3"}, "give a whole number"),
        ({"plane": "oblique"}, "give one of sagittal, coronal, axial"),
        ({"low": 2.0, "high": 1.0}, "low=2 is not below high=1"),
        ({"low": float("nan")}, "low=nan: give a number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], said: str) -> None:
    assert said in refusal(lambda: Scans(**given))


@pytest.mark.parametrize("size", [(4, 5), 0, (1, 2, 3, 4), 100_000])
def test_absurd_sizes_of_volumes_are_refused(tmp_path: Path, size: Any) -> None:
    root = write_scans(tmp_path / "scans", scans=1)
    assert "give the side of a cube" in refusal(lambda: read_scan_folders(root, patients=VOUCHED, size=size))


def dicom_folders(root: Path) -> Path:
    for number in range(4):
        label = ("well", "ill")[number % 2]
        write_series(root / label / f"study{number}" / "series", f"p{number // 2}", Laterality="L")
    return root


def test_dicom_series_below_class_folders_become_volumes_or_slices(tmp_path: Path) -> None:
    root = dicom_folders(tmp_path / "scans")
    cases = read_scan_folders(root)
    assert cases.x.shape == (4, 1, 4, 5, 6)
    assert cases.patient.tolist() == ["p0", "p1", "p0", "p1"]
    assert str(cases.time[0] if cases.time is not None else "") == "2024-02-29"
    assert set(cases.details["laterality"]) == {"L"}
    assert len(set(cases.details["study"])) == 1
    assert cases.name is not None
    assert cases.name[0] == "ill/study1/series"
    values = np.random.default_rng(1).integers(
        -160 + 50, 50, (5, 6)
    )  # the second slice, -160..240 HU over 0..255
    assert_array_equal(cases.x[0, 0, 1], np.round(255 * np.clip((values + 160) / 400, 0, 1)))
    some = read_scan_folders(root, Scans(slices=2), size=8)
    assert some.x.shape == (8, 1, 8, 8)
    assert some.details["laterality"].tolist() == ["L"] * 8
    flat = read_folders(root)  # the same files as pictures, one by one
    assert flat.x.shape == (16, 1, 5, 6)
    assert flat.patient.tolist().count("p0") == 8


def test_series_that_are_no_volumes_are_left_out_and_counted(tmp_path: Path) -> None:
    root = dicom_folders(tmp_path / "scans")
    write_series(root / "ill" / "scout", "p1", 1, ImagePositionPatient=None)
    report = SERIES.parent / "reportsi.dcm"
    shutil.copy(report, root / "well" / "report")
    cases = read_scan_folders(root)
    assert len(cases) == 4
    said = cases.provenance.notes[-1]
    assert said.startswith("2 of 6 scans were left out as they are no volumes, such as ")
    for study in ("study0", "study2"):
        shutil.rmtree(root / "well" / study)
    assert "no scan of 'well' is a volume" in refusal(lambda: read_scan_folders(root))


def test_a_damaged_slice_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    root = dicom_folders(tmp_path / "scans")
    file = root / "ill" / "study1" / "series" / "IM2"
    file.write_bytes(file.read_bytes()[:-20])
    assert "IM2: truncated or damaged" in refusal(lambda: read_scan_folders(root))


def manifest(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_manifest_names_nifti_files_and_folders_of_series(tmp_path: Path) -> None:
    write_scans(tmp_path / "nifti", scans=1)
    write_series(tmp_path / "series", "p9")
    rows = [
        ["label", "patient", "path"],
        ["a", "p1", "nifti/kind 0/p0-0_scan.nii.gz"],
        ["b", "p2", "series"],
    ]
    file = manifest(tmp_path / "scans.csv", rows)
    cases = read_table(file, size=6)
    assert cases.x.shape == (2, 1, 6, 6, 6)
    assert cases.patient.tolist() == ["p1", "p2"]
    slices = read_table(file, size=6, scans=Scans(slices=2))
    assert slices.x.shape == (4, 1, 6, 6)
    assert slices.y.tolist() == [0, 0, 1, 1]
    assert slices.name is not None
    assert slices.name.tolist()[2:] == ["series axial 1", "series axial 3"]
    lone = manifest(tmp_path / "lone.csv", [*rows, ["b", "p3", "scans.csv"]])
    assert "neither NIfTI nor DICOM" in refusal(lambda: read_table(lone, size=6))
    write_series(tmp_path / "series" / "second", "p9")
    assert "2 scans in it" in refusal(lambda: read_table(file, size=6))


def test_a_manifest_row_that_is_no_volume_is_refused(tmp_path: Path) -> None:
    write_scans(tmp_path / "nifti", scans=1)
    write_series(tmp_path / "scout", "p9", 1, ImagePositionPatient=None)
    rows = [["label", "path"], ["a", "nifti/kind 0/p0-0_scan.nii.gz"], ["b", "scout"]]
    file = manifest(tmp_path / "scans.csv", rows)
    said = refusal(lambda: read_table(file, size=6, patients=VOUCHED))
    assert "no position in the patient" in said
    assert "Leave those rows out." in said


VOLUMES = Inputs("image", (), Pixels((1, 4, 5, 6)), scans=Scans(low=0.0, high=100.0))
SLICES = Inputs("image", (), Pixels((1, 5, 6)), scans=Scans(slices=2))
PICTURES = Inputs("image", (), Pixels((1, 5, 6)))


@pytest.mark.parametrize("inputs", [VOLUMES, SLICES, PICTURES])
def test_what_a_model_takes_survives_being_stored(inputs: Inputs) -> None:
    assert inputs_from_parts(*inputs_to_parts(inputs), {}) == inputs


@pytest.mark.parametrize("damage", [{"scans": {"slices": "2"}}, {"scans": [1]}, {"shape": [1, 2, 3, 4, 5]}])
def test_parts_that_do_not_fit_are_refused(damage: dict[str, Any]) -> None:
    plain, arrays = inputs_to_parts(SLICES)
    with pytest.raises((KeyError, TypeError, ValueError)):
        inputs_from_parts(plain | damage, arrays, {})


def test_new_scans_are_read_as_the_model_takes_them(tmp_path: Path) -> None:
    root = write_scans(tmp_path / "scans")
    one = root / "kind 1" / "p1-0_scan.nii.gz"
    alone = read_observations(one, VOLUMES)
    assert (alone.x.shape, alone.name, alone.label) == ((1, 1, 4, 5, 6), (one.name,), None)
    labelled = read_observations(root, VOLUMES)
    assert labelled.label == ("kind 0",) * 3 + ("kind 1",) * 3
    assert_array_equal(labelled.x[3], alone.x[0])
    flat = read_observations(root / "kind 1", SLICES)
    assert flat.x.shape == (6, 1, 5, 6)
    assert flat.name[:2] == ("p1-0_scan.nii.gz axial 2", "p1-0_scan.nii.gz axial 6")
    listed = manifest(tmp_path / "new.csv", [["path", "label"], ["scans/kind 1/p1-0_scan.nii.gz", "x"]])
    assert read_observations(listed, SLICES).label == ("x", "x")
    said = refusal(lambda: read_observations(one, PICTURES))
    assert "a scan, but the model takes pictures that were no slices" in said
    (tmp_path / "empty").mkdir()
    assert "no NIfTI or DICOM scans" in refusal(lambda: read_observations(tmp_path / "empty", SLICES))


def test_a_medium_with_an_index_has_no_labels(tmp_path: Path) -> None:
    root = dicom_folders(tmp_path / "scans")
    assert read_observations(root, VOLUMES).label == ("ill", "ill", "well", "well")
    (root / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    medium = read_observations(root, VOLUMES)
    assert medium.label is None
    assert medium.x.shape == (4, 1, 4, 5, 6)
    one = read_observations(root / "ill" / "study1" / "series", SLICES)
    assert one.x.shape == (2, 1, 5, 6)


def test_a_volume_model_does_not_take_pictures(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (5, 6)).save(tmp_path / "x.png")
    assert "takes volumes of shape (1, 4, 5, 6)" in refusal(
        lambda: read_observations(tmp_path / "x.png", VOLUMES)
    )
