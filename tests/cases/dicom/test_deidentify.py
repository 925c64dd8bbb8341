"""A de-identified dataset names nobody, keeps its picture, and keeps a patient's files together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom import Dataset
from pydicom.sequence import Sequence

from metadx.cases.dicom import deidentify, read_dicom
from metadx.cases.dicom.deidentify import basic_profile
from metadx.errors import UserError

Write = Callable[..., Path]
WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"
KEY = b"a secret of sixteen bytes and more"
SHADES = np.arange(64, dtype=np.uint8).reshape(8, 8)


def elements(dataset: Dataset) -> Iterator[pydicom.DataElement]:
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def named(write: Write, **attributes: object) -> Dataset:
    reference, nested = Dataset(), Dataset()
    reference.ReferencedSOPInstanceUID = "1.2.3.9"
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    nested.OperatorsName = "Roe^Richard"
    nested.FrameOfReferenceUID = "1.2.3.4.5"
    nested.add_new(0x00091001, "LO", "private")
    path = write(
        "a.dcm",
        SHADES,
        PatientBirthDate="19500203",
        StudyDate="20240101",
        AcquisitionDateTime="20240101120000",
        InstitutionName="General",
        AccessionNumber="A17",
        StudyDescription="Doe, Jane: chest",
        FrameOfReferenceUID="1.2.3.4.5",
        DeidentificationMethodCodeSequence=Sequence([nested]),
        ReferencedImageSequence=Sequence([reference]),
        DetectorID="D-100",
        **attributes,
    )
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00090010, "LO", "A maker")
    dataset.add_new(0x00091001, "LO", "Doe, Jane")
    dataset.add_new(0x60003000, "OW", b"\0\0")
    dataset.add_new(0x60004000, "LT", "Doe")
    dataset.add_new(0x0018A999, "UN", b"Doe^")
    dataset.preamble = b"Doe^Jane".ljust(128, b"\0")
    return dataset


def test_nothing_that_names_the_patient_is_left(write: Write, tmp_path: Path) -> None:
    cleaned = deidentify(named(write), key=KEY)
    cleaned.save_as(tmp_path / "clean.dcm", enforce_file_format=True)
    written = (tmp_path / "clean.dcm").read_bytes()
    for word in (
        b"Doe",
        b"Jane",
        b"p1",
        b"General",
        b"A17",
        b"Roe",
        b"1950",
        b"2024",
        b"1.2.3",
        b"maker",
        b"D-100",
    ):
        assert word not in written, word
    assert_array_equal(read_dicom(tmp_path / "clean.dcm")[0], SHADES)
    read = pydicom.dcmread(tmp_path / "clean.dcm")
    assert read.PatientIdentityRemoved == "YES"
    assert "PS3.15" in read.DeidentificationMethod
    assert read.StudyDate == ""
    assert not any(element.tag.is_private for element in elements(read))


def test_ids_stay_consistent_under_one_key_and_differ_under_another(write: Write) -> None:
    dataset = named(write)
    one, again, other = (deidentify(dataset, key=key) for key in (KEY, KEY, KEY + b"!"))
    for keyword in ("PatientID", "StudyInstanceUID", "SOPInstanceUID"):
        assert one[keyword].value == again[keyword].value != other[keyword].value
        assert one[keyword].value != dataset[keyword].value
    assert one.StudyInstanceUID.startswith("2.25.")
    assert one.StudyInstanceUID.is_valid
    assert one.FrameOfReferenceUID == one.DeidentificationMethodCodeSequence[0].FrameOfReferenceUID
    assert one.SOPClassUID == dataset.SOPClassUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert deidentify(dataset).PatientID == deidentify(dataset).PatientID


def test_the_dataset_given_is_left_as_it_is(write: Write) -> None:
    dataset = named(write)
    before = str(dataset)
    deidentify(dataset, key=KEY)
    assert str(dataset) == before


def test_text_in_the_pixels_must_be_looked_for(write: Write) -> None:
    for attributes, said in (
        ({"BurnedInAnnotation": "YES"}, "text is burned"),
        ({"Modality": "US"}, "may be"),
    ):
        dataset = named(write, **attributes)
        with pytest.raises(UserError, match=said):
            deidentify(dataset)
        assert deidentify(dataset, pixels_checked=True).PatientName == ""
    with pytest.raises(UserError, match="can be guessed"):
        deidentify(named(write), key=b"short")


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(WHEEL.glob("*.dcm")) if p.stat().st_size < 200_000 and "no_meta" not in p.name],
    ids=lambda path: path.name,
)
@pytest.mark.filterwarnings("ignore")
def test_no_listed_tag_survives_in_files_of_pydicom(path: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(path, force=True)
    cleaned = deidentify(dataset, key=KEY, pixels_checked=True)
    before = {
        (int(e.tag), str(e.value)) for e in elements(dataset) if str(e.value).strip("[]") and e.VR != "SQ"
    }
    for element in elements(cleaned):
        assert not element.tag.is_private
        assert element.VR not in ("DA", "TM", "DT") or not element.value
        if (action := basic_profile().get(int(element.tag))) is None:
            continue
        assert action != "X"
        same = (int(element.tag), str(element.value)) in before
        assert not same or str(element.value).startswith("1.2.840.10008.") or not element.value
    if "TransferSyntaxUID" in getattr(cleaned, "file_meta", {}) and "SOPClassUID" in cleaned:
        cleaned.save_as(tmp_path / "clean.dcm", enforce_file_format=True)
        assert (
            "PixelData" not in dataset
            or pydicom.dcmread(tmp_path / "clean.dcm").PixelData == dataset.PixelData
        )


def test_the_table_is_that_of_the_standard() -> None:
    profile = basic_profile()
    assert len(profile) == 652
    assert set("".join(profile.values()).replace("/", "")) == set("DXZU*")
    for keyword, action in (
        ("PatientName", "Z"),
        ("PatientID", "Z/D"),
        ("SOPInstanceUID", "U"),
        ("OtherPatientIDs", "X"),
    ):
        assert profile[pydicom.datadict.tag_for_keyword(keyword)] == action  # type: ignore[index]
