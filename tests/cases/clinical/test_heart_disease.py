"""The heart disease data of four hospitals."""

from pathlib import Path

import numpy as np
import pytest

from metadx.cases.clinical import HOSPITALS, read_heart_disease
from metadx.errors import UserError

ROWS = "63.0,1.0,1.0,145.0,233.0,1.0,2.0,150.0,0.0,2.3,3.0,0.0,6.0,0\n41,0,2,0,0,?,1,,1,.5,,?,,3\n"


def write(folder: Path, rows: str = ROWS) -> Path:
    for hospital in HOSPITALS:
        (folder / f"processed.{hospital}.data").write_text(rows)
    return folder


def test_codes_become_words_and_impossible_zeros_missing(tmp_path: Path) -> None:
    cases = read_heart_disease(write(tmp_path))
    assert cases.x.shape[0] == 8
    at = cases.features.index
    assert cases.x[0, at("sex=F")] == 0
    assert cases.x[1, at("chest pain=atypical angina")] == 1
    assert cases.x[0, at("thallium scan=fixed defect")] == 1
    for missing in ("cholesterol", "resting blood pressure", "fasting sugar above 120", "vessels coloured"):
        assert np.isnan(cases.x[1, at(missing)])
    assert "4 values 0 of cholesterol made missing" in cases.provenance.preprocessing
    assert cases.y.tolist() == [0, 1] * 4
    assert cases.site is not None
    assert cases.site.tolist()[:3] == ["cleveland", "cleveland", "hungarian"]
    assert len(set(cases.patient)) == 8


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",6.0,0", ",6.0", "row 1 has 13 values, not 14"),
        (",6.0,0", ",5.0,0", "'thallium scan' says '5.0'"),
        (",6.0,0", ",6.0,9", "must be 0 to 4"),
        (",6.0,0", ",6.0,?", "must be 0 to 4"),
        (",6.0,0", ",6.0,2", "the same label"),
        ("63.0", "inf", "infinite"),
        ("63.0", "old", "'old' is not a number"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_heart_disease(write(tmp_path, ROWS.replace(old, new)))


def test_all_four_hospitals_are_needed(tmp_path: Path) -> None:
    (write(tmp_path) / "processed.va.data").unlink()
    with pytest.raises(UserError, match=r"processed\.va\.data: no such file"):
        read_heart_disease(tmp_path)


@pytest.mark.real_data
def test_four_hospitals_of_different_prevalence(data_root: Path) -> None:
    cases = read_heart_disease(data_root / "clinical/heart_disease")
    assert cases.site is not None
    ill = {
        site: (int((cases.site == site).sum()), round(100 * cases.y[cases.site == site].mean()))
        for site in HOSPITALS
    }
    assert ill == {"cleveland": (303, 46), "hungarian": (294, 36), "switzerland": (123, 93), "va": (200, 74)}
    chol = cases.x[:, cases.features.index("cholesterol")]
    assert np.isnan(chol[cases.site == "switzerland"]).all()
    assert np.nanmin(chol) > 50
