"""Which column is what: found by name, by place and by content, and said; never a wrong guess in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metadx.cases.own import Asked, read_own
from metadx.errors import UserError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows(header: str, make: list[str], count: int = 30, mark: str = ",") -> str:
    """A table whose row i is each of `make` formatted with i, i % 2 and i % 3."""
    lines = [
        mark.join(part.format(i=i, two=i % 2, three=i % 3, x=f"{i * 0.37:.2f}") for part in make)
        for i in range(count)
    ]
    return "\n".join([header, *lines]) + "\n"


def topics(path: Path, asked: Asked | None = None) -> dict[str, str]:
    return {choice.topic: choice.sentence for choice in read_own(path, asked).choices}


def test_names_are_believed_before_places(tmp_path: Path) -> None:
    own = read_own(
        write(tmp_path / "a.csv", rows("Diagnosis,MRN,age,flag", ["d{two}", "m{i}", "{x}", "{three}"]))
    )
    assert own.cases.classes == ("d0", "d1")
    assert own.cases.features == ("age", "flag")
    assert own.cases.patient[3] == "m3"
    assert own.kind == "table"


def test_a_few_people_under_a_name_that_is_only_theirs_are_patients(tmp_path: Path) -> None:
    own = read_own(write(tmp_path / "a.csv", rows("MRN,age,label", ["m{three}", "{x}", "d{two}"], count=12)))
    assert own.cases.features == ("age",)
    assert sorted(set(own.cases.patient)) == ["m0", "m1", "m2"]


def test_an_outcome_that_is_the_same_for_all_is_not_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows("sex,age,outcome", ["s{two}", "{x}", "sepsis"]))
    with pytest.raises(UserError, match="every case has the label 'sepsis' in column 'outcome'"):
        read_own(path)


def test_the_last_column_is_taken_where_no_name_helps(tmp_path: Path) -> None:
    own = read_own(write(tmp_path / "a.csv", rows("a,b,finding", ["{x}", "{i}.5", "{three}"])))
    assert own.cases.classes == ("0", "1", "2")
    assert "it is the last column" in dict(own.choices)["Diagnosis"]
    assert "every row is taken for a different person" in dict(own.choices)["Patients"]


def test_an_option_is_obeyed_and_a_wrong_one_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows("label,sex,age", ["d{two}", "{three}", "{x}"]))
    assert read_own(path, Asked(label="sex")).cases.classes == ("0", "1", "2")
    with pytest.raises(UserError, match="did you mean 'sex'"):
        read_own(path, Asked(label="sexx"))


def test_what_is_no_measurement_is_left_out_and_counted(tmp_path: Path) -> None:
    header = "id,name,born,note,empty,same,age,label"
    text = rows(header, ["{i}", "Jo{i}", "19{i:02d}-01-05", "word{i}", "", "7", "{x}", "d{two}"])
    own = read_own(write(tmp_path / "a.csv", text))
    assert own.cases.features == ("age",)
    said = " ".join(sentence for topic, sentence in own.choices if topic == "Left out")
    for word in ("'name'", "'born'", "dates", "empty in every row", "the same in every row"):
        assert word in said


def test_semicolons_decimal_commas_bounds_and_missing_labels(tmp_path: Path) -> None:
    lines = (
        ["label;age;crp"]
        + [f"d{i % 2};{i},5;{'< 0,3' if i == 2 else f'{i}'}" for i in range(12)]
        + [";4,5;1"]
    )
    own = read_own(write(tmp_path / "a.csv", "\n".join(lines)))
    assert len(own.cases) == 12
    assert own.cases.x[1, 0] == 1.5
    said = " ".join(sentence for _, sentence in own.choices)
    assert "semicolons" in said
    assert "Decimal commas" in said
    assert "1 rows have no 'label'" in said


def test_cells_in_a_unit_that_the_column_does_not_say_are_not_known(tmp_path: Path) -> None:
    values = [f"{100 + i}" for i in range(12)]
    values[3], values[7], values[8] = "7 mmol/L", "5.5mmol/L", "< 90"
    lines = ["label,glucose,dose [mg/dL]", *(f"d{i % 2},{v},{i + 1} mg/dL" for i, v in enumerate(values[:5]))]
    lines += [f"d{i % 2},{v},{i + 1}" for i, v in enumerate(values) if i >= 5]
    own = read_own(write(tmp_path / "a.csv", "\n".join(lines)))
    assert np.flatnonzero(np.isnan(own.cases.x[:, 0])).tolist() == [3, 7]
    assert own.cases.x[8, 0] == 90
    np.testing.assert_array_equal(own.cases.x[:, 1], np.arange(1, 13))
    said = " ".join(sentence for _, sentence in own.choices)
    assert "Cells such as '7 mmol/L', with a unit that the column's name does not say" in said
    assert "So it is in 'glucose' (2)." in said


def test_a_file_without_a_header_is_read_by_numbers(tmp_path: Path) -> None:
    text = "\n".join(f"{i * 3 % 7}.0,{i * 2}.5,{i % 2}" for i in range(20))
    own = read_own(write(tmp_path / "a.data", text))
    assert len(own.cases) == 20
    assert own.cases.features == ("column 1", "column 2")


def test_repeated_patients_and_sites(tmp_path: Path) -> None:
    text = rows("patient_id,hospital,age,class", ["p{three}", "h{two}", "{x}", "c{two}"])
    own = read_own(write(tmp_path / "a.csv", text))
    assert len(np.unique(own.cases.patient)) == 3
    assert own.cases.site is not None
    assert own.cases.features == ("age",)


def test_visits_are_averaged_by_day_and_other_scores_left_out(tmp_path: Path) -> None:
    lines = ["subject,test_time,motor_UPDRS,total_UPDRS,jitter"]
    lines += [
        f"s{i % 9},{i // 9 + part / 10:.1f},{i}.1,{i}.7,{i * 0.01}" for i in range(45) for part in (0, 3)
    ]
    own = read_own(write(tmp_path / "a.csv", "\n".join(lines)))
    assert own.kind == "visits"
    assert own.cases.features == ("test_time", "jitter")
    assert len(own.cases) == 45
    assert "motor_UPDRS" in " ".join(sentence for _, sentence in own.choices)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a,b\n", "no cases"),
        ("label,a\nx,1\nx,2\n", "every case has the label"),
        ("a,b\n1.5,2.5\n3.5,4.25\n5.125,6.5\n7.75,8.5\n", "no column looks like a diagnosis"),
        ("label,a,a\nx,1,2\ny,3,4\n", "two columns are named"),
        ("label,a\nx,1\ny\n", "row 2 has 1 cells"),
        ("label,patient\nx,1\ny,2\nx,3\ny,4\n", "no column of measurements"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_own(write(tmp_path / "a.csv", text))


def test_zeros_that_stand_apart_are_pointed_out(tmp_path: Path) -> None:
    lines = ["insulin,label"] + [f"{0 if i % 4 == 0 else 80 + i},d{i % 2}" for i in range(40)]
    assert "'insulin'" in topics(write(tmp_path / "a.csv", "\n".join(lines)))["Look at this"]


def test_other_paths_are_refused(tmp_path: Path) -> None:
    for name, why in (
        ("none.csv", "no such file"),
        ("a.xlsx", "not a kind of file"),
        ("a.png", "one picture"),
    ):
        path = tmp_path / name
        if "no such" not in why:
            path.write_bytes(b"\x89PNG")
        with pytest.raises(UserError, match=why):
            read_own(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="nothing that a study reads"):
        read_own(tmp_path / "empty")
