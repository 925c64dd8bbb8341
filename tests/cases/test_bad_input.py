"""What would otherwise become a wrong number: byte orders, units, decimal commas, flipped bits, cyclic folders."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import wfdb
from numpy.testing import assert_array_equal
from PIL import Image

from cases.making import write_scans
from cases.signals.test_beats import write_record
from cases.signals.test_glucose import as_mmol, rows, write
from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, read_folders, read_picture, read_scan_folders, read_table
from metadx.cases.clinical import read_arff
from metadx.cases.dicom import find_series, read_dicom_values
from metadx.cases.genomics import read_expression, read_saturation, read_vcf
from metadx.cases.nifti import read_nifti
from metadx.cases.signals import read_beats, read_glucose, read_series, read_ucr, read_visits
from metadx.errors import UserError

WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"
VOUCHED = EVERY_CASE_ITS_OWN_PATIENT
MMOL = "timestamp,glucose_value_mmol_l\n"


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        read()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_swapped_bytes_of_dicom_pixels_are_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(WHEEL / "MR_small.dcm")
    values = dataset.pixel_array
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    dataset.PixelData = values.astype(np.uint16).tobytes()
    dataset.save_as(tmp_path / "sound.dcm")
    assert_array_equal(read_dicom_values(tmp_path / "sound.dcm"), values)
    dataset.PixelData = values.astype(">u2").tobytes()
    dataset.save_as(tmp_path / "swapped.dcm")
    said = refusal(lambda: read_dicom_values(tmp_path / "swapped.dcm"))
    assert "do not fit into the 12 bits that the header names: its byte order may be wrong" in said


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_both_byte_orders_of_nifti_read_alike(tmp_path: Path, kind: type) -> None:
    values = np.random.default_rng(0).normal(0, 50, (4, 5, 6)).astype(kind)
    for name, order in (("a", "<"), ("b", ">")):
        header: Any = nibabel.Nifti1Header(endianness=order)
        header.set_data_dtype(np.dtype(kind).newbyteorder(order))
        image: Any = nibabel.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0]), header)
        image.to_filename(tmp_path / f"{name}.nii")
    assert (tmp_path / "b.nii").read_bytes()[:4] == struct.pack(">i", 348)
    one, other = read_nifti(tmp_path / "a.nii"), read_nifti(tmp_path / "b.nii")
    assert_array_equal(one.values, other.values)
    assert_array_equal(one.affine, other.affine)


@pytest.mark.parametrize("swapped", ["61", "16"])
def test_samples_of_another_byte_order_have_another_sum(tmp_path: Path, swapped: str) -> None:
    record = write_record(tmp_path, "a")
    header = record.with_suffix(".hea")
    header.write_text(header.read_text().replace(" 16 1000", f" {swapped} 1000"))
    if swapped == "16":
        assert len(read_beats(tmp_path)) == 6
    else:
        assert "do not have the checksum of the header" in refusal(lambda: read_beats(tmp_path))


def test_a_flipped_bit_in_samples_pixels_or_a_packed_volume_is_noticed(tmp_path: Path) -> None:
    record = write_record(tmp_path, "a").with_suffix(".dat")
    flip(record, 1003)
    assert "do not have the checksum" in refusal(lambda: read_beats(tmp_path))
    scan = write_scans(tmp_path / "scans", scans=1) / "kind 0" / "p0-0_scan.nii.gz"
    content = scan.read_bytes()
    refused = 0
    for at in range(30, len(content), 7):
        scan.write_bytes(content)
        flip(scan, at)
        before = read_values(scan)
        refused += before is None
    assert refused > 0.9 * len(range(30, len(content), 7))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)).save(
        tmp_path / "x.png"
    )
    flip(tmp_path / "x.png", 80)
    assert "truncated or damaged" in refusal(lambda: read_picture(tmp_path / "x.png"))


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def read_values(path: Path) -> Any:
    try:
        return read_nifti(path).values
    except UserError:
        return None


def test_a_volume_that_unpacks_to_more_than_it_claims_is_refused(tmp_path: Path) -> None:
    scan = write_scans(tmp_path / "scans", scans=1) / "kind 0" / "p0-0_scan.nii.gz"
    content = gzip.decompress(scan.read_bytes())
    scan.write_bytes(gzip.compress(content + bytes(50_000_000)))
    assert scan.stat().st_size < 100_000
    assert "holds more than the" in refusal(lambda: read_nifti(scan))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_header_of_100_000_by_100_000_pixels_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    Image.new("L", (7, 9)).save(path)
    content = path.read_bytes()
    if suffix == ".png":
        import zlib

        header = b"IHDR" + struct.pack(">II", 100_000, 100_000) + content[24:29]
        content = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    else:
        for tag, side in ((256, 7), (257, 9)):
            old = struct.pack("<HHIHH", tag, 3, 1, side, 0)
            long = struct.pack("<HHII", tag, 4, 1, side)
            assert old in content or long in content
            new = struct.pack("<HHII", tag, 4, 1, 100_000)
            content = content.replace(old, new).replace(long, new)
    path.write_bytes(content)
    assert "100000" in refusal(lambda: read_picture(path)).replace(",", "")


def test_folders_that_hold_themselves_end(tmp_path: Path) -> None:
    root = write_scans(tmp_path / "scans")
    (root / "kind 0" / "again").symlink_to(root, target_is_directory=True)
    assert len(read_scan_folders(root, patients=VOUCHED, size=4)) == 6
    pictures = tmp_path / "pictures"
    for at in range(4):
        place = pictures / "ab"[at % 2] / f"{at}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), at).save(place)
    (pictures / "loop").symlink_to(pictures, target_is_directory=True)
    (pictures / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (pictures / "a" / ".hidden").symlink_to(pictures, target_is_directory=True)
    assert len(read_folders(pictures, patients=VOUCHED)) == 4
    series = tmp_path / "series"
    (series / "deep").mkdir(parents=True)
    (series / "deep" / "up").symlink_to(series, target_is_directory=True)
    (series / "x").write_bytes((WHEEL / "CT_small.dcm").read_bytes())
    assert [len(files) for files in find_series(series).values()] == [1]


TABLE = "label,patient,a\nx,1,{}\ny,2,2.5\nx,3,1.5\n"
COMMAS: dict[str, Callable[[Path], object]] = {
    "label,patient,a\nx,1,7,1\ny,2,2.5\n": lambda p: read_table(p),
    'label,patient,a\nx,1,"7,1"\ny,2,2.5\n': lambda p: read_table(p),
    "label;patient;a\nx;1;7,1\ny;2;2,5\n": lambda p: read_table(p),
    "@relation r\n@attribute a numeric\n@attribute class {x,y}\n@data\n7,1,x\n2.5,y\n": lambda p: read_arff(
        p, patients=VOUCHED
    ),
    "sample,label,patient,TP53\ns1,x,1,7,1\ns2,y,2,2.5\n": lambda p: read_expression(p),
    "GENES\tx\ty\ng1\t7,1\t2.5\n": lambda p: read_expression(p, patients=VOUCHED),
    "1\t7,1\t2\n2\t3\t4\n": lambda p: read_ucr(p, patients=VOUCHED),
    "who;day;score\na;1;7,1\nb;2;2,5\n": lambda p: read_visits(p, patient="who", time="day", target="score"),
    "patient,time,label,hr\n1,0,x,7,1\n2,0,y,2\n": lambda p: read_series(p, step=1, duration=2),
    "position,change,class\n10,A>G,x\n11,5,A>G,y\n": lambda p: read_saturation(p, gene="G"),
    "timestamp,glucose_value_mg_dl\n" + "".join(rows()).replace(".0\n", ",5\n"): lambda p: read_glucose(
        p.parent
    ),
    "timestamp,glucose_value_mg_dl\n"
    + "".join(f'{line.split(",")[0]},"7,1"\n' for line in rows()): lambda p: read_glucose(p.parent),
}


@pytest.mark.parametrize(
    "content", COMMAS, ids=lambda content: content[:24].encode("unicode_escape").decode()
)
def test_decimal_commas_are_refused_by_every_reader_of_text(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    refusal(lambda: COMMAS[content](tmp_path / "x.csv"))


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ("label,patient,a,a\nx,1,2,3\ny,2,3,4\n", read_table),
        ("who,day,score,day\na,1,2,3\n", lambda p: read_visits(p, patient="who", time="day", target="score")),
        ("sample,label,patient,g,g\ns,x,1,2,3\nt,y,2,3,4\n", read_expression),
        (
            "@relation r\n@attribute a real\n@attribute a real\n@attribute class {x,y}\n@data\n1,2,x\n",
            read_arff,
        ),
        (
            "timestamp,glucose_value_mg_dl,timestamp\n2024-05-01 10:00,100,2023-01-01\n",
            lambda p: read_glucose(p.parent),
        ),
        ("patient,time,label,a,a\n1,0,x,1,2\n", lambda p: read_series(p, step=1, duration=2)),
    ],
)
def test_columns_that_come_twice_are_refused(
    tmp_path: Path, content: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / "x.csv").write_text(content)
    said = refusal(lambda: read(tmp_path / "x.csv"))
    assert "twice" in said or "two columns" in said or "two attributes" in said


def test_few_readings_in_another_unit_are_left_out_and_many_refused(tmp_path: Path) -> None:
    lines = rows(100)
    few = [as_mmol(line) if at == 50 else line for at, line in enumerate(lines)]
    write(tmp_path, "a.csv", few)
    cases = read_glucose(tmp_path)
    assert cases.x.min() >= 100
    assert cases.provenance.notes[0].startswith("1 readings were left out")
    write(tmp_path, "a.csv", [as_mmol(line) if at % 10 == 0 else line for at, line in enumerate(lines)])
    assert "units look mixed" in refusal(lambda: read_glucose(tmp_path))
    mixed = [line if at % 10 == 0 else as_mmol(line) for at, line in enumerate(lines)]
    write(tmp_path, "a.csv", mixed, MMOL)
    assert "above 35 mmol/L, which no living person has: units look mixed" in refusal(
        lambda: read_glucose(tmp_path)
    )
    write(tmp_path, "a.csv", lines, MMOL)
    assert "or all are mg/dL" in refusal(lambda: read_glucose(tmp_path))


def test_one_slip_in_the_date_does_not_take_the_other_readings_away(tmp_path: Path) -> None:
    lines = rows(100)
    lines[20] = lines[20].replace("2024", "2824")
    write(tmp_path, "a.csv", lines)
    said = refusal(lambda: read_glucose(tmp_path))
    assert (
        "79 of 100 readings are earlier than row 21, which stands before them: its time looks wrong" in said
    )
    late = [line.replace("2024-05", "2024-03") for line in rows(60)]
    write(tmp_path, "a.csv", rows(60) + late)  # two stretches, the earlier one last
    assert read_glucose(tmp_path).provenance.notes[0].startswith("60 readings were left out")


def test_times_and_numbers_that_python_would_take_leniently_are_refused(tmp_path: Path) -> None:
    for time in ("inf", "1_0", "nan"):
        (tmp_path / "x.csv").write_text(f"label,patient,time,a\nx,1,{time},2\ny,2,3,4\n")
        assert "column 'time'" in refusal(lambda: read_table(tmp_path / "x.csv"))
    (tmp_path / "x.csv").write_text("who,day,score\na,1_0,2\nb,2,3\n")
    assert "'1_0' is no number" in refusal(
        lambda: read_visits(tmp_path / "x.csv", patient="who", time="day", target="score")
    )


def test_names_of_pictures_in_a_column_of_another_name_are_no_category(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("label,patient,file\na,1,x.png\nb,2,y.png\n")
    assert "column 'file' names pictures. Call it 'path'" in refusal(lambda: read_table(tmp_path / "x.csv"))
    (tmp_path / "x.csv").write_text("class,patient,label\na,1,x.png\nb,2,y.png\n")
    assert "column 'label' names pictures" in refusal(lambda: read_table(tmp_path / "x.csv"))
    (tmp_path / "x.csv").write_text("label,feature,patient\na,1,x.png\nb,2,y.png\n")
    assert "column 'patient' names pictures" in refusal(lambda: read_table(tmp_path / "x.csv"))


def test_annotations_past_the_end_and_a_vcf_without_columns_are_refused(tmp_path: Path) -> None:
    record = write_record(tmp_path, "a")
    wfdb.wrann("a", "atr", np.array([10, 99_999]), symbol=["N", "N"], write_dir=str(tmp_path))
    assert "annotations up to sample 99,999" in refusal(lambda: read_beats(record.parent))
    (tmp_path / "x.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tREF\tALT\n1\t2\tA\tG\n")
    assert "should be the header '#CHROM POS ID REF ALT" in refusal(
        lambda: read_vcf(tmp_path / "x.vcf", label="SIG")
    )


def test_a_vcf_in_another_order_gives_the_same_cases_and_says_so(tmp_path: Path) -> None:
    lines = ["1\t5\t.\tA\tG\t9\t.\tSIG=a\n", "1\t9\t.\tC\tT\t8\t.\tSIG=b\n", "2\t1\t.\tC\tT\t7\t.\tSIG=a\n"]
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    read = []
    for order in ((0, 1, 2), (1, 0, 2)):
        (tmp_path / "x.vcf").write_text(head + "".join(lines[at] for at in order))
        read.append(read_vcf(tmp_path / "x.vcf", label="SIG"))
    sound, moved = read
    assert_array_equal(moved.x, sound.x[[1, 0, 2]])
    assert_array_equal(moved.y, sound.y[[1, 0, 2]])
    assert "not in order" not in " ".join(sound.provenance.preprocessing)
    assert "positions are not in order, and stay so" in moved.provenance.preprocessing


def test_missing_samples_of_a_recording_are_refused(tmp_path: Path) -> None:
    record = write_record(tmp_path, "a")
    signal = wfdb.rdrecord(str(record)).p_signal
    signal[100, 1] = np.nan
    names = {"units": ["mV", "mV"], "sig_name": ["V1", "MLII"]}
    wfdb.wrsamp("a", 250, p_signal=signal, fmt=["16", "16"], write_dir=str(tmp_path), **names)
    assert "1 samples of the lead are missing" in refusal(lambda: read_beats(tmp_path))
