"""Headers tell whose a picture is, when and how it was taken, and whether its pixels may name the patient."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import SecondaryCaptureImageStorage

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, audit_cases, read_folders, read_table
from metadx.cases.dicom import header_notes, read_header
from metadx.errors import UserError

Write = Callable[..., Path]
SHADES = np.arange(64, dtype=np.uint8).reshape(8, 8)


def test_a_header_is_read() -> None:
    path = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(path, str)
    header = read_header(path)
    assert header.patient == "1CT1"
    assert header.modality == "CT"
    assert header.date == "1997-04-30"
    assert header.study == "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
    assert header.series == "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322"
    assert header.burned_in == "no"
    assert header.window == ""


def test_side_view_and_day(write: Write) -> None:
    header = read_header(
        write(
            "a.dcm", SHADES, ImageLaterality="R", ViewPosition="MLO", AcquisitionDateTime="20240531120000.5"
        )
    )
    assert (header.laterality, header.view, header.date) == ("R", "MLO", "2024-05-31")
    path = write("b.dcm", SHADES, Laterality="L", AcquisitionDate="20240231", StudyDate="20240229")
    header = read_header(path)
    assert (header.laterality, header.view, header.date) == ("L", "", "2024-02-29")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"BurnedInAnnotation": "YES"}, "yes"),
        ({"BurnedInAnnotation": "NO", "Modality": "US"}, "no"),
        ({"Modality": "US"}, "perhaps"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "perhaps"),
        ({}, "no"),
    ],
)
def test_text_in_the_pixels(write: Write, attributes: dict[str, str], expected: str) -> None:
    assert read_header(write("a.dcm", SHADES, **attributes)).burned_in == expected


def test_notes_say_what_to_beware_of(write: Write) -> None:
    headers = [
        read_header(write("a.dcm", SHADES, BurnedInAnnotation="YES")),
        read_header(write("b.dcm", SHADES, Modality="US")),
        read_header(write("c.dcm", SHADES, Modality="CT")),
        read_header(write("d.dcm", SHADES, WindowCenter=40, WindowWidth=400)),
        read_header(write("e.dcm", SHADES, WindowCenter=-600, WindowWidth=1500)),
    ]
    burned, silent, bare, windows = header_notes(headers)
    assert burned.startswith("1 of 5 DICOM files say that text is burned")
    assert silent.startswith("1 of 5 DICOM files (US) do not say")
    assert bare.startswith("1 CT files have no window")
    assert "2 different windows: -600/1500, 40/400" in windows
    assert header_notes(headers[3:4]) == ()


def folder(write: Write, tmp_path: Path, **attributes: str) -> Path:
    for number in range(6):
        label = "ill" if number % 2 else "well"
        write(
            f"set/{label}/1.2.840.{number}",
            SHADES + number,
            **{"PatientID": f"p{number // 2}", "ViewPosition": "AP", "StudyDate": "20240101", **attributes},
        )
    return tmp_path / "set"


def test_class_folders_take_patients_days_and_details_from_headers(write: Write, tmp_path: Path) -> None:
    root = folder(write, tmp_path)
    (root / "ill" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    cases = read_folders(root)
    assert cases.classes == ("ill", "well")
    assert cases.patient.tolist() == ["p0", "p1", "p2", "p0", "p1", "p2"]
    assert cases.time is not None
    assert str(cases.time[0]) == "2024-01-01"
    assert set(cases.details["view"]) == {"AP"}
    assert cases.details["series"].tolist() == ["1.2.3.4"] * 6
    assert cases.x.shape == (6, 1, 8, 8)
    assert cases.name is not None
    assert cases.name[0] == "ill/1.2.840.1"
    assert not any(EVERY_CASE_ITS_OWN_PATIENT in note for note in cases.provenance.notes)
    by_name = read_folders(root, patient_pattern=r"(\d)$")
    assert by_name.patient.tolist() == ["1", "3", "5", "0", "2", "4"]


def test_words_do_not_outweigh_headers_that_name_patients(write: Write, tmp_path: Path) -> None:
    cases = read_folders(folder(write, tmp_path), patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.patient.tolist() == ["p0", "p1", "p2", "p0", "p1", "p2"]


@pytest.mark.parametrize("everyone", ["", "ANONYMOUS"])
def test_one_id_for_all_names_nobody(write: Write, tmp_path: Path, everyone: str) -> None:
    root = folder(write, tmp_path, PatientID=everyone)
    with pytest.raises(UserError, match="no patient ids"):
        read_folders(root)
    cases = read_folders(root, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(set(cases.patient)) == 6


def manifest(root: Path, *columns: str) -> Path:
    rows = [
        {"path": f.relative_to(root).as_posix(), "label": f.parent.name, "patient": f"m{at}", "time": at}
        for at, f in enumerate(sorted(root.rglob("1.2.840*")))
    ]
    with (root / "manifest.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, columns, extrasaction="ignore")
        out.writeheader()
        out.writerows(rows)
    return root / "manifest.csv"


def test_a_manifest_takes_from_headers_what_it_leaves_out(write: Write, tmp_path: Path) -> None:
    root = folder(write, tmp_path, BurnedInAnnotation="YES")
    cases = read_table(manifest(root, "label", "path"))
    assert cases.patient.tolist() == ["p0", "p1", "p2", "p0", "p1", "p2"]
    assert str(cases.time[0]) == "2024-01-01"  # type: ignore[index]
    assert "burned into their pixels" in cases.provenance.notes[0]
    own = read_table(manifest(root, "label", "path", "patient", "time"))
    assert own.patient.tolist() == [f"m{at}" for at in range(6)]
    assert own.time is not None
    assert own.time.tolist() == list(range(6))


def test_dicom_and_other_pictures_may_be_mixed(write: Write, tmp_path: Path) -> None:
    root = folder(write, tmp_path)
    Image.fromarray(SHADES).save(root / "ill" / "x9.png")
    cases = read_folders(root, patient_pattern=r"(\d)(\.png)?$")
    assert len(cases) == 7
    assert not cases.details


def test_a_file_called_dcm_that_is_none_is_refused_not_left_out(write: Write, tmp_path: Path) -> None:
    root = folder(write, tmp_path)
    (root / "ill" / "broken.dcm").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken\.dcm: no DICOM file"):
        read_folders(root)


def test_the_audit_says_when_the_view_gives_the_label_away(write: Write, tmp_path: Path) -> None:
    for number in range(40):
        label, view = ("ill", "AP") if number % 2 else ("well", "PA")
        values = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        write(f"set/{label}/{number}.dcm", values, PatientID=f"p{number}", ViewPosition=view)
    cases: Cases = read_folders(tmp_path / "set")
    assert any("The view alone tells" in leak.sentence for leak in audit_cases(cases).leaks)
