from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from metadx.cases import Cases
from metadx.cases.signals import read_visits
from metadx.errors import UserError

TABLE = """who,day,voice,other,score
b,0.2,1,9,10
b,0.7,3,9,12
b,7.1,,9,20
a,-0.5,5,9,1
a,3,6,9,2
"""


def read(path: Path) -> Cases:
    return read_visits(path, patient="who", time="day", target="score", leave_out=["other"], note="made up")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_of_one_visit_are_averaged(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.data"
    path.write_text(TABLE.replace(",", delimiter))
    cases = read(path)
    assert cases.features == ("day", "voice")
    assert cases.patient.tolist() == ["a", "a", "b", "b"]
    assert np.allclose(cases.x, [[-0.5, 5], [3, 6], [0.45, 2], [7.1, np.nan]], equal_nan=True)
    assert np.allclose(cases.y, [1, 2, 11, 20])
    assert np.allclose(cases.time, cases.x[:, 0])
    assert cases.provenance.notes == ("made up",)
    assert "5 rows, 4 visits" in cases.provenance.preprocessing[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLE.replace("score", "sore", 1), "no column 'score'; did you mean 'sore'"),
        (TABLE.replace("7.1", "soon"), "column 'day', row 3: 'soon' is no number"),
        (TABLE.replace("20", "1e308"), "'1e308' is infinite, or as good as"),
        (TABLE.replace("20", "inf"), "column 'score', row 3: 'inf' is infinite"),
        (TABLE.replace("20", ""), "column 'score' is empty in row 3"),
        (TABLE.replace("b,7.1,,9,20", "b,7.1"), "row 3 has 2 cells, the header 5"),
        (TABLE.replace("other", "voice"), "two columns have the same name"),
        ("who,day,score\n", "no rows below the header"),
    ],
)
def test_tables_that_would_give_wrong_numbers_are_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read(tmp_path / "a.csv")
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "b.csv")


def test_damaged_tables_never_break_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for seed in range(300):
        rng = np.random.default_rng(seed)
        content = bytearray(TABLE.encode())
        for at in rng.integers(0, len(content), rng.integers(1, 8)):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        with contextlib.suppress(UserError):
            assert np.isfinite(read(path).y).all()
