"""Slices become volumes in the order of their positions, and what is missing, doubled or foreign is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydicom import Dataset
from pydicom.sequence import Sequence

from metadx.cases.dicom import find_series, read_volume
from metadx.cases.volumes import to_ras
from metadx.errors import UserError

Write = Callable[..., Path]
WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"
TILT = np.deg2rad(20)
ROW = np.asarray([np.cos(TILT), np.sin(TILT), 0])
COLUMN = np.asarray([0, 0, -1.0])
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.asarray([-10.0, 20.0, 30.0])


def slices(write: Write, numbers: Iterable[int], **attributes: Any) -> list[Path]:
    """Files of an oblique series, 2.5 mm apart, whose names and numbers run the other way; value = 100 x slice."""
    paths = []
    for number in numbers:
        values = np.full((3, 4), 100 * number, dtype=np.int16)
        values[0, 1] += 1
        values[1, 0] += 2
        given: dict[str, Any] = {
            "Modality": "CT",
            "ImagePositionPatient": [f"{v:.6f}" for v in ORIGIN + 2.5 * number * NORMAL],
            "ImageOrientationPatient": [f"{v:.6f}" for v in (*ROW, *COLUMN)],
            "PixelSpacing": [0.5, 0.75],
            "SliceThickness": "2.5",
            "InstanceNumber": 100 - number,
            "WindowCenter": 40,
            "WindowWidth": 400,
            **attributes,
        }
        paths.append(write(f"z{100 - number}.dcm", values, **given))
    return paths


def refusal(paths: list[Path], **options: bool) -> str:
    with pytest.raises(UserError) as error:
        read_volume(paths, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_order_comes_from_geometry_not_from_names_or_numbers(write: Write) -> None:
    paths = slices(write, range(6))
    rng = np.random.default_rng(0)
    for _ in range(3):
        shuffled = [paths[at] for at in rng.permutation(6)]
        volume = read_volume(shuffled)
        assert volume.values.shape == (6, 3, 4)
        assert volume.values[:, 2, 3].tolist() == [0, 100, 200, 300, 400, 500]
        assert volume.notes == ()
        assert volume.patient == "p1"
        assert_allclose(volume.spacing, (2.5, 0.5, 0.75), atol=1e-5)


def test_the_affine_places_every_pixel(write: Write) -> None:
    volume = read_volume(slices(write, [3, 1, 2, 0]))
    index = np.asarray([2, 1, 3, 1])
    lps = ORIGIN + 2 * 2.5 * NORMAL + 1 * 0.5 * COLUMN + 3 * 0.75 * ROW
    assert_allclose(volume.affine @ index, [-lps[0], -lps[1], lps[2], 1], atol=1e-4)
    turned = to_ras(volume)
    assert (np.diag(turned.affine)[:3] > 0).all()
    at = np.round(np.linalg.solve(turned.affine, volume.affine @ index)).astype(int)[:3]
    assert turned.values[tuple(at)] == volume.values[2, 1, 3]
    assert sorted(turned.values.ravel()) == sorted(volume.values.ravel())


def test_missing_slices_are_reported(write: Write) -> None:
    paths = slices(write, [0, 1, 2, 5, 6, 7])
    said = refusal(paths)
    assert "2 slices are missing: 7.5 mm after slice 3 of 6, where 2.5 mm is usual" in said
    volume = read_volume(paths, gaps=True)
    assert len(volume.values) == 6
    assert "2 slices are missing" in volume.notes[0]


def test_copies_count_once_and_other_slices_at_one_place_are_refused(write: Write) -> None:
    paths = slices(write, range(4))
    copy = paths[0].with_name("again.dcm")
    copy.write_bytes(paths[0].read_bytes())
    volume = read_volume([*paths, copy])
    assert len(volume.values) == 4
    assert "1 slices are there twice" in volume.notes[0]
    other = write(
        "other.dcm",
        np.ones((3, 4), np.int16),
        **{
            keyword: pydicom.dcmread(paths[0])[keyword].value
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        },
    )
    assert "different slices at one position" in refusal([*paths, other])


def test_foreign_slices_are_refused(write: Write) -> None:
    paths = slices(write, range(3))
    (other,) = slices(write, [7], SeriesInstanceUID="1.2.9")
    assert "several series" in refusal([*paths, other])
    (other,) = slices(write, [8], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    assert "as in a localizer" in refusal([*paths, other])
    (other,) = slices(write, [9], PixelSpacing=[1, 1])
    assert "as in a localizer" in refusal([*paths, other])
    (other,) = slices(write, [3], Rows=2, Columns=6)
    assert "is 2 x 6" in refusal([*paths, other])
    (aside,) = slices(write, [3], ImagePositionPatient=list(ORIGIN + 7.5 * NORMAL + 5 * ROW))
    assert "do not lie above one another" in refusal([*paths, aside])
    (lost,) = slices(write, [3], ImagePositionPatient=None)
    assert "no position in the patient" in refusal([*paths, lost])
    (turned,) = slices(write, [3], ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
    assert "is none" in refusal([turned])
    assert "give those of one series" in refusal([])


def test_one_slice_is_a_volume_as_thick_as_it_says(write: Write) -> None:
    volume = read_volume(slices(write, [2]))
    assert_allclose(volume.spacing[0], 2.5, atol=1e-6)
    assert "one slice" in volume.notes[0]


def test_a_folder_is_grouped_by_series(write: Write, tmp_path: Path) -> None:
    slices(write, range(3))
    slices(write, range(10, 14), SeriesInstanceUID="1.2.9", PatientID="p2")
    (tmp_path / "notes.txt").write_text("hello")
    found = find_series(tmp_path)
    assert {uid: len(files) for uid, files in found.items()} == {"1.2.3.4": 3, "1.2.9": 4}
    assert read_volume(found["1.2.9"]).patient == "p2"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no DICOM files"):
        find_series(tmp_path / "empty")
    with pytest.raises(UserError, match="no such folder"):
        find_series(tmp_path / "absent")


def test_series_of_pydicom_are_read_or_refused_in_words() -> None:
    two, five = sorted(find_series(WHEEL / "dicomdirtests" / "98892001").values(), key=len)
    assert "as in a localizer" in refusal(list(two))
    volume = read_volume(five[::-1])
    assert volume.values.shape == (5, 16, 16)
    assert_allclose(volume.spacing, (2.5, 0.488281, 0.488281), atol=1e-5)
    flat = find_series(WHEEL / "dicomdirtests" / "77654033" / "CR1").values()
    assert "no position in the patient" in refusal([file for files in flat for file in files])


def test_an_enhanced_file_is_ordered_by_the_positions_of_its_frames(write: Write) -> None:
    groups = []
    for at in (2, 0, 1):
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 4 * at]
        group.PlanePositionSequence = Sequence([position])
        groups.append(group)
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [2, 3], 4
    shared.PlaneOrientationSequence = Sequence([orientation])
    shared.PixelMeasuresSequence = Sequence([measures])
    stack = np.stack([np.full((2, 5), value, np.uint16) for value in (2, 0, 1)])
    path = write(
        "enhanced.dcm",
        stack,
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        SharedFunctionalGroupsSequence=Sequence([shared]),
    )
    volume = read_volume([path])
    assert_array_equal(volume.values[:, 0, 0], [0, 1, 2])
    assert volume.spacing == (4, 2, 3)


def test_a_series_that_claims_too_much_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.cases.dicom.series.MAX_VOXELS", 30)
    assert "claims more than 30 values" in refusal(slices(write, range(3)))
