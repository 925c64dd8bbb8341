"""Series of one's own: a long table or a folder of recordings, brought to a grid that invents nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metadx.cases.signals import holds_series, read_series
from metadx.errors import UserError

LONG = """patient,time,label,heart rate [1/min],lactate [mmol/L]
ann,10,ill,80,
ann,11,ill,90,2.5
ann,14,ill,100,
ben,0,well,60,1.0
ben,1,well,,
ben,2,well,64,
"""


def long(tmp_path: Path, text: str = LONG) -> Path:
    (tmp_path / "ward.csv").write_text(text)
    return tmp_path / "ward.csv"


def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir(exist_ok=True)
    (made / "a.csv").write_text("time,flow [L/s]\n0,1\n1,2\n2,3\n3,4\n")
    (made / "b.csv").write_text("time,flow [L/s]\n0,5\n1,6\n2,\n3,8\n")
    (made / "labels.csv").write_text("file,patient,label,site\na.csv,ann,ill,north\nb.csv,ben,well,south\n")
    return made


def test_a_long_table_becomes_means_and_gaps(tmp_path: Path) -> None:
    cases = read_series(long(tmp_path), step=2, duration=6)
    nan = np.nan
    assert cases.patient.tolist() == ["ann", "ben"]
    assert [cases.classes[y] for y in cases.y] == ["ill", "well"]
    np.testing.assert_array_equal(cases.x[0], np.float32([[85, nan, 100], [2.5, nan, nan]]))
    np.testing.assert_array_equal(cases.x[1], np.float32([[60, 64, nan], [1, nan, nan]]))
    assert "heart rate [1/min], lactate [mmol/L]" in cases.provenance.preprocessing[1]


def test_a_folder_of_recordings_read_off_the_line(tmp_path: Path) -> None:
    made = folder(tmp_path)
    cases = read_series(made, step=0.5, duration=3.5, how="line")
    np.testing.assert_allclose(cases.x[0, 0], [1, 1.5, 2, 2.5, 3, 3.5, 4])
    assert np.isnan(cases.x[1, 0, 3:6]).all()  # rows two apart are not joined: three steps are 1.5
    assert read_series(made, step=0.5, duration=3.5, how="line", gap=2).x[1, 0, 3] == pytest.approx(6.5)
    assert cases.site is not None
    assert cases.site.tolist() == ["north", "south"]
    assert cases.name is not None
    assert cases.name.tolist() == ["a.csv", "b.csv"]
    assert holds_series(made)
    assert not holds_series(tmp_path)


def test_dates_are_minutes_and_order_is_mended_and_said(tmp_path: Path) -> None:
    text = "patient,time,target,hr\nann,2024-05-01 10:30,1.5,90\nann,2024-05-01 10:00,1.5,80\n"
    text += "ben,2024-05-01T12:00:00+02:00,3,70\n"
    cases = read_series(long(tmp_path, text), step=15, duration=60)
    np.testing.assert_array_equal(cases.x[0, 0], np.float32([80, np.nan, 90, np.nan]))
    assert cases.regression
    assert cases.y.tolist() == [1.5, 3]
    assert cases.provenance.notes == ("1 rows were not in the order of time, and were put there.",)


def test_recordings_of_one_patient_stay_his(tmp_path: Path) -> None:
    text = (
        "patient,recording,time,label,hr\nann,r1,0,ill,1\nann,r2,0,well,2\nben,r3,0,well,3\nben,r4,0,ill,\n"
    )
    cases = read_series(long(tmp_path, text), step=1, duration=1)
    assert cases.patient.tolist() == ["ann", "ann", "ben"]
    assert cases.provenance.notes == ("1 recordings were left out: no value in the time looked at.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LONG.replace("ann,11,ill", "ann,11,well"), "recording 'ann' has 2 values of 'label'"),
        (
            LONG.replace("ann,11", "ann,noon"),
            "column 'time', row 1: '10' is neither|row 2: 'noon' is neither",
        ),
        (LONG.replace("ann,11", "ann,"), "'time' is missing in row 2"),
        (LONG.replace("ann,11", "ann,inf"), "infinite"),
        (LONG.replace("90", "9e38"), "holds a number above 3e\\+38"),
        (LONG.replace("90", "fast"), "'fast' is not a number"),
        (LONG.replace("ben", ""), "'patient' is missing in row 4"),
        (LONG.replace("label", "diagnosis"), "'label' for conditions or 'target'|no column"),
        ("patient,time,label\nann,1,ill\n", "no column of values"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_series(long(tmp_path, text), step=2, duration=6)


def test_grids_that_would_deceive_are_refused(tmp_path: Path) -> None:
    made = folder(tmp_path)
    with pytest.raises(UserError, match="would show what is faster as something slower"):
        read_series(made, step=2.5, duration=3, how="line")
    with pytest.raises(UserError, match="at most 100,000 steps"):
        read_series(made, step=1e-9, duration=3)
    with pytest.raises(UserError, match="how='spline'"):
        read_series(made, step=1, duration=3, how="spline")  # type: ignore[arg-type]


def test_recordings_of_other_channels_and_files_outside_are_refused(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "b.csv").write_text("time,volume [L]\n0,5\n")
    with pytest.raises(UserError, match="Give all recordings the same columns"):
        read_series(made, step=1, duration=3)
    (made / "labels.csv").write_text("file,patient,label\n../ward.csv,ann,ill\n")
    with pytest.raises(UserError, match="outside the manifest's folder"):
        read_series(made, step=1, duration=3)
    (made / "labels.csv").unlink()
    with pytest.raises(UserError, match=r"no labels\.csv"):
        read_series(made, step=1, duration=3)
