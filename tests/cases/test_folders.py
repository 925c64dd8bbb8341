"""Class folders of pictures become cases, with the patient each file name tells."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, load, read_folders
from metadx.errors import UserError


def put(root: Path, *names: str) -> None:
    for shade, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), shade).save(root / name)


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(UserError) as error:
        read_folders(root, **{"patients": EVERY_CASE_ITS_OWN_PATIENT, **options})
    assert "\n" not in str(error.value)
    return str(error.value)


def test_folders_are_classes_and_a_pattern_finds_patients(tmp_path: Path) -> None:
    put(tmp_path, "ill/p1_0.png", "ill/p1_1.png", "ill/p2_0.png", "well/p3_0.jpg")
    cases = read_folders(tmp_path, patient_pattern=r"^(p\d+)_")
    assert cases.classes == ("ill", "well")
    assert cases.y.tolist() == [0, 0, 0, 1]
    assert cases.patient.tolist() == ["p1", "p1", "p2", "p3"]
    assert cases.x.shape == (4, 1, 4, 4)
    assert cases.provenance.notes == ()
    again = read_folders(tmp_path, patient_pattern=r"^(p\d+)_")
    assert again.provenance.checksum == cases.provenance.checksum


def test_splits_of_the_source_are_merged_and_noted(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/2.png", "test/a/3.png", "val/b/4.png")
    cases = read_folders(tmp_path, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.counts() == {"a": 2, "b": 2}
    assert "The splits test, train, val of the source were merged." in cases.provenance.notes


def test_classes_may_be_called_like_splits(tmp_path: Path) -> None:
    put(tmp_path, "test/1.png", "control/2.png")
    assert read_folders(tmp_path, patients=EVERY_CASE_ITS_OWN_PATIENT).classes == ("control", "test")


def test_leftovers_of_other_systems_are_ignored_and_other_files_noted(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/2.png", "__MACOSX/a/._1.png", ".hidden/3.png", "a/.DS_Store.png")
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "a" / "scan.raw").write_text("not read")
    cases = read_folders(tmp_path, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(cases) == 2
    assert any(note.startswith("2 other files were left out") for note in cases.provenance.notes)


def test_pictures_without_patients_need_words(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    assert "no patient ids" in refusal(tmp_path, patients=None)
    cases = read_folders(tmp_path, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert EVERY_CASE_ITS_OWN_PATIENT in cases.provenance.notes[0]
    assert "Give one of them" in refusal(tmp_path, patient_pattern="(.)")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "no regular expression"), (r"\d", "has no group"), (r"x(\d)", "no patient id in '1.png'")],
)
def test_bad_patterns_are_refused(tmp_path: Path, pattern: str, said: str) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    assert said in refusal(tmp_path, patients=None, patient_pattern=pattern)


def test_bad_layouts_are_refused(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "absent")
    assert "no class folders" in refusal(tmp_path)
    put(tmp_path, "a/1.png")
    assert "at least two conditions" in refusal(tmp_path)
    (tmp_path / "b").mkdir()
    assert "no PNG, JPEG, TIFF or DICOM pictures" in refusal(tmp_path)
    put(tmp_path, "b/deep/1.png")
    assert "holds the folder 'deep'" in refusal(tmp_path)


def test_splits_beside_classes_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/2.png", "extra/3.png")
    assert "'extra' lies beside the splits" in refusal(tmp_path)


def test_a_broken_or_odd_picture_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/2.png")
    Image.new("L", (9, 9)).save(tmp_path / "b" / "big.png")
    message = refusal(tmp_path)
    assert "1.png" in message
    assert "big.png" in message
    assert read_folders(tmp_path, patients=EVERY_CASE_ITS_OWN_PATIENT, size=4).x.shape == (3, 1, 4, 4)
    (tmp_path / "b" / "big.png").write_bytes(b"no picture")
    assert "big.png: not a PNG" in refusal(tmp_path)


@pytest.mark.real_data
def test_herlev_is_complete_and_its_patients_are_slides(data_root: Path) -> None:
    cases = load("herlev", allow_unverified=True, size=16)
    assert cases.x.shape == (917, 3, 16, 16)
    assert sorted(cases.counts().values()) == [70, 74, 98, 146, 150, 182, 197]
    assert len(set(cases.patient)) == 538
    assert not any("rotated" in patient for patient in cases.patient)


@pytest.mark.real_data
def test_mednist_reads(data_root: Path) -> None:
    cases = load("mednist", allow_unverified=True, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (2400, 1, 64, 64)
    assert set(cases.counts().values()) == {400}
    assert np.ptp(cases.x) > 200
