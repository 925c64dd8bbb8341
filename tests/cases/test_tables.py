"""A CSV becomes cases, or one clear line says why not."""

import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, read_table
from metadx.errors import UserError

GOOD = "label,patient,age,sex\nsick,a,50,F\nwell,b,40,M\nsick,c,,F\nwell,d,61.5,\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(folder: Path, content: str | bytes, **options: object) -> str:
    with pytest.raises(UserError) as error:
        read_table(write(folder, content), **options)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_numbers_stay_numbers_and_text_becomes_columns(tmp_path: Path) -> None:
    cases = read_table(write(tmp_path, GOOD))
    assert cases.features == ("age", "sex=F")
    np.testing.assert_array_equal(cases.x, [[50, 1], [40, 0], [np.nan, 1], [61.5, np.nan]])
    assert cases.classes == ("sick", "well")
    assert cases.y.tolist() == [0, 1, 0, 1]
    assert cases.patient.tolist() == ["a", "b", "c", "d"]
    assert cases.modality == "table"
    assert cases.provenance.checksum.startswith("sha256:")
    assert cases.provenance.preprocessing == ("text columns made one 0/1 column per level: sex",)


def test_three_levels_make_three_columns_missing_in_all(tmp_path: Path) -> None:
    cases = read_table(write(tmp_path, "label,patient,ward\na,1,x\nb,2,y\na,3,z\nb,4,NA\n"))
    assert cases.features == ("ward=x", "ward=y", "ward=z")
    np.testing.assert_array_equal(cases.x[:3], np.eye(3))
    assert np.isnan(cases.x[3]).all()


@pytest.mark.parametrize("missing", ["", "NA", "?", "nan", "NaN", "null", " ", "n/a"])
def test_missing_values_are_nan_never_zero(tmp_path: Path, missing: str) -> None:
    cases = read_table(write(tmp_path, f"label,patient,t\na,1,{missing}\nb,2,0\n"))
    assert np.isnan(cases.x[0, 0])
    assert cases.x[1, 0] == 0


def test_numbers_as_labels_are_conditions_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    cases = read_table(write(tmp_path, "label,patient,t\n10,1,1\n2,2,2\n10,3,3\n"))
    assert cases.classes == ("2", "10")
    assert cases.y.tolist() == [1, 0, 1]


def test_a_target_makes_it_regression(tmp_path: Path) -> None:
    cases = read_table(write(tmp_path, "target,patient,t\n1.5,1,1\n-2,2,2\n"))
    assert cases.regression
    assert cases.y.tolist() == [1.5, -2.0]


def test_site_and_time_are_kept(tmp_path: Path) -> None:
    text = "label,patient,site,time,t\na,1,north,2024-03-01,1\nb,2,south,2023-01-01T10:00,2\n"
    cases = read_table(write(tmp_path, text))
    assert cases.site is not None
    assert cases.time is not None
    assert cases.site.tolist() == ["north", "south"]
    assert cases.time.argsort().tolist() == [1, 0]
    zoned = read_table(write(tmp_path, text.replace("T10:00", "T10:00+02:00")))
    assert zoned.time is not None
    assert zoned.time[1] == np.datetime64("2023-01-01T08:00")
    numbered = read_table(write(tmp_path, "label,patient,time,t\na,1,30,1\nb,2,4,2\n"))
    assert numbered.time is not None
    assert numbered.time.tolist() == [30, 4]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert read_table(write(tmp_path, content)).classes == ("sick", "well")


def test_without_patients_a_user_must_say_so_in_words(tmp_path: Path) -> None:
    text = "label,t\na,1\nb,2\n"
    message = refusal(tmp_path, text)
    assert "found label, t" in message
    assert EVERY_CASE_ITS_OWN_PATIENT in message
    assert "does not say so" in refusal(tmp_path, text, patients="yes")
    cases = read_table(write(tmp_path, text), patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(set(cases.patient)) == 2
    assert any(EVERY_CASE_ITS_OWN_PATIENT in note for note in cases.provenance.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("patient,t\n1,1\n2,2\n", "no column 'label' (found patient, t)"),
        ("label;patient;t\na;1;1\nb;2;2\n", "Separate columns with commas"),
        ("label,patient,t\na,1,1\na,2,2\n", "at least two conditions"),
        ("label,patient,t\na,1,1\n,2,2\nb,3,3\n", "'label' is missing in row 2"),
        ("label,patient,t\na,1,1\nNaN,2,2\nb,3,3\n", "'label' is missing in row 2"),
        ("target,patient,t\n1,1,1\n,2,2\n", "'target' is missing in row 2"),
        ("target,patient,t\n1,1,1\nhigh,2,2\n", "row 2: 'high' is not a number"),
        ("target,patient,t\n1,1,1\ninf,2,2\n", "row 2: 'inf' is infinite"),
        ("label,target,patient,t\na,1,1,1\nb,2,2,2\n", "both 'label' and 'target'"),
        ("label,patient,t\na,,1\nb,2,2\n", "'patient' is missing in row 1"),
        ("label,patient,t\na,1,1e999\nb,2,2\n", "column 't', row 1: '1e999' is infinite"),
        ("label,patient,t\na,1,-inf\nb,2,2\n", "infinite"),
        ("label,patient,t\na,1,1_000\nb,2,2\n", "row 1: '1_000' is not a number"),
        ("label,patient,t,t\na,1,1,1\nb,2,2,2\n", "two columns are named 't'"),
        (",label,patient,t\n0,a,1,1\n1,b,2,2\n", "column 1 has no name"),
        ("label,patient\na,1\nb,2\n", "no feature columns"),
        ("label,patient,t\na,1,\nb,2,NA\n", "column 't' is empty in every row"),
        ("label,patient,t\na,1,5\nb,2,6\na,3,<7\n", "column 't', row 3: '<7' is not a number"),
        ("label,patient,t\na,1,1,9\nb,2,2\n", "row 1 has 4 cells, the header 3"),
        ("label,patient,t\na,1,1\nb,2\n", "row 2 has 2 cells, the header 3"),
        ("label,patient,t\n", "no cases below the header"),
        ("label,patient,site,t\na,1,,1\nb,2,x,2\n", "'site' is missing in row 1"),
        ("label,patient,time,t\na,1,soon,1\nb,2,2024-01-01,2\n", "'soon' is neither a number nor a date"),
        ('label,patient,t\na,1,"1\nb,2,2\n', "not a sound CSV"),
        ('label,patient,t\na,1,"1"2\nb,2,2\n', "not a sound CSV"),
        ("label,patient,t\na,1,1\n,,\nb,2,2\n", "'label' is missing in row 2"),
        ('""\n', "the file is empty"),
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        ("label,patient,t\nK\xf6hler,1,1\nb,2,2\n".encode("latin-1"), "line 2 is not UTF-8 (byte 17)"),
        (GOOD.encode("utf-16"), "Save"),
        (b"label,patient,t\na,1,\0\nb,2,2\n", "NUL byte in line 2 (byte 20)"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_notes_are_not_categories(tmp_path: Path) -> None:
    rows = "".join(f"{'ab'[i % 2]},{i},note number {i}\n" for i in range(60))
    assert "text with 60 different values" in refusal(tmp_path, "label,patient,note\n" + rows)


def test_a_line_of_2_gigabytes_is_not_loaded(tmp_path: Path) -> None:
    path = write(tmp_path, "label,patient,t\na,1,1\n")
    with path.open("r+b") as file:
        file.truncate(2 * 1024**3)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="line 3 is longer than 1 MB"):
            read_table(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(UserError, match="not a file"):
        read_table(tmp_path)


def test_a_manifest_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for name, shade in (("a", 10), ("b", 200)):
        Image.new("L", (5, 4), shade).save(tmp_path / "scans" / f"{name}.png")
    cases = read_table(write(tmp_path, "label,patient,path\nx,1,scans/a.png\ny,2,scans/b.png\n"))
    assert cases.x.shape == (2, 1, 4, 5)
    assert cases.x[:, 0, 0, 0].tolist() == [10, 200]
    assert cases.modality == "image"
    assert cases.features == ()
    message = refusal(tmp_path, "label,patient,path,age\nx,1,scans/a.png,5\ny,2,scans/b.png,6\n")
    assert "age" in message


@pytest.mark.parametrize(
    "target", ["../secret.png", "/etc/hostname", "link/secret.png", "C:/a.png", "a/../../b.png"]
)
def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path, target: str) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "secret.png")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    message = refusal(inside, f"label,patient,path\nx,1,{target}\ny,2,{target}\n")
    assert "row 1 points outside" in message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    for body in (content, b"label,patient,t\na,1,1\n" + content):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            said = ""
            try:
                read_table(write(tmp_path, body))
            except UserError as error:
                said = str(error)
            assert "\n" not in said


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_numbers_survive_the_round_trip(tmp_path: Path, values: list[float | None]) -> None:
    if all(value is None for value in values):
        values[0] = 0.0
    rows = [f"{'ab'[i % 2]},{i},{'' if v is None else repr(v)}\n" for i, v in enumerate(values)]
    cases = read_table(write(tmp_path, "label,patient,t\n" + "".join(rows)))
    np.testing.assert_array_equal(cases.x[:, 0], [np.nan if v is None else v for v in values])
