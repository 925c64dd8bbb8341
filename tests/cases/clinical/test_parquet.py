"""A Parquet table becomes cases, or one clear line says why not."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT
from metadx.cases.clinical import parquet, read_parquet
from metadx.errors import UserError

pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'metadx[clinical]'")
GOOD: dict[str, Any] = {
    "label": ["ill", "well", "ill"],
    "patient": [1, 2, 3],
    "age": [61.0, None, float("nan")],
    "visits": [1, 2, None],
    "smokes": [True, None, False],
    "sex": ["F", "M", None],
}


def write(folder: Path, **changed: Any) -> Path:
    import pyarrow.parquet

    columns = {name: values for name, values in {**GOOD, **changed}.items() if values is not None}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "table.parquet")
    return folder / "table.parquet"


def test_numbers_flags_and_words(tmp_path: Path) -> None:
    cases = read_parquet(write(tmp_path, sex=pyarrow.array(GOOD["sex"]).dictionary_encode()))
    assert cases.features == ("age", "visits", "smokes", "sex=F")
    nan = np.nan
    np.testing.assert_array_equal(cases.x, [[61, 1, 1, 1], [nan, 2, nan, 0], [nan, nan, 0, nan]])
    assert cases.classes == ("ill", "well")
    assert cases.patient.tolist() == ["1", "2", "3"]


def test_site_time_and_targets(tmp_path: Path) -> None:
    when = [datetime(2024, 3, 1), datetime(2023, 1, 1, 8, 30), datetime(2024, 1, 1)]
    cases = read_parquet(write(tmp_path, label=[1.5, -2.0, 3.0], site=["n", "s", "n"], time=when))
    assert cases.regression
    assert cases.site is not None
    assert cases.site.tolist() == ["n", "s", "n"]
    assert cases.time is not None
    assert cases.time[1] == np.datetime64("2023-01-01T08:30")
    whole = read_parquet(
        write(tmp_path, label=[10, 2, 10], visits=None, day=[date(2024, 1, d) for d in (1, 2, 3)]), time="day"
    )
    assert whole.classes == ("2", "10")
    assert whole.time is not None
    assert whole.time.argsort().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": None}, "no column 'label'"),
        ({"label": ["ill", None, "well"]}, "'label' is missing in row 2"),
        ({"label": ["ill", "ill", "ill"]}, "at least two conditions"),
        ({"label": [1.5, None, 2.5]}, "'label' is missing in row 2"),
        ({"patient": None}, "no patient ids"),
        ({"patient": [1, None, 3]}, "'patient' is missing in row 2"),
        ({"age": [1.0, float("inf"), 2.0]}, "column 'age', row 2: infinite"),
        ({"seen": [datetime(2024, 1, 1)] * 3}, "holds timestamp"),
        ({"more": [[1], [2], [3]]}, "holds list<"),
        ({"sex=F": [1, 0, 1]}, "two columns become 'sex=F'"),
        ({"age": None, "visits": None, "smokes": None, "sex": None}, "no feature columns"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        read_parquet(write(tmp_path, **changed))
    assert said in str(error.value)


def test_notes_huge_tables_and_other_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"note {i}" for i in range(60)]
    path = write(tmp_path, label=["a", "b"] * 30, patient=many, age=None, visits=None, smokes=None, sex=many)
    with pytest.raises(UserError, match="text with 60 different values"):
        read_parquet(path)
    monkeypatch.setattr(parquet, "MAX_VALUES", 100)
    with pytest.raises(UserError, match="are too many"):
        read_parquet(path)
    path.write_bytes(b"PAR1 no, it is not PAR1")
    with pytest.raises(UserError, match="no sound Parquet file"):
        read_parquet(path)
    with pytest.raises(UserError, match="no such file"):
        read_parquet(tmp_path / "absent.parquet")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'metadx\[clinical\]'"):
        read_parquet(tmp_path / "table.parquet")


def test_vouched_for(tmp_path: Path) -> None:
    cases = read_parquet(write(tmp_path, patient=None), patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(set(cases.patient)) == 3
