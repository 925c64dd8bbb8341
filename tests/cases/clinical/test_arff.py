"""An ARFF table becomes cases, or one clear line says why not."""

from pathlib import Path

import numpy as np
import pytest

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT
from metadx.cases.clinical import parse_arff, read_arff
from metadx.errors import UserError

GOOD = """% a comment
@RELATION 'two words'
@attribute 'age at visit' numeric
@ATTRIBUTE\tsex {'F', "M"}
@attribute tumour {'head and neck', 'don\\'t know', NA}
@attribute grade {0,1,2} % ordered
@attribute who string
@attribute class {well,ill,never}
@DATA
61,F,'head and neck',2,p1,ill
?,M,'don\\'t know',0,p2,well
% between
40.5, ?,NA,?,'p, 3',ill

"""


def write(folder: Path, content: str) -> Path:
    path = folder / "table.arff"
    path.write_text(content, encoding="utf-8")
    return path


def test_attributes_of_every_kind(tmp_path: Path) -> None:
    cases = read_arff(write(tmp_path, GOOD), patient="who")
    assert cases.features == (
        "age at visit",
        "sex=F",
        "tumour='NA'",
        "tumour=don't know",
        "tumour=head and neck",
        "grade",
    )
    nan = np.nan
    np.testing.assert_array_equal(
        cases.x, [[61, 1, 0, 0, 1, 2], [nan, 0, 0, 1, 0, 0], [40.5, nan, 1, 0, 0, nan]]
    )
    assert cases.classes == ("well", "ill")
    assert cases.y.tolist() == [1, 0, 1]
    assert cases.patient.tolist() == ["p1", "p2", "p, 3"]
    assert cases.modality == "table"
    assert cases.provenance.preprocessing == (
        "text columns made one 0/1 column per level: sex, tumour",
        "nominal columns whose values are all numbers kept as numbers: grade",
    )
    assert parse_arff(tmp_path / "table.arff").relation == "two words"


def test_a_numeric_label_is_a_target_and_columns_can_be_left_out(tmp_path: Path) -> None:
    cases = read_arff(
        write(tmp_path, GOOD.replace("?,M", "50,M")),
        label="age at visit",
        drop=["who", "sex"],
        patients=EVERY_CASE_ITS_OWN_PATIENT,
    )
    assert cases.regression
    assert cases.y.tolist() == [61, 50, 40.5]
    assert "left out: who, sex" in cases.provenance.preprocessing
    assert any(EVERY_CASE_ITS_OWN_PATIENT in note for note in cases.provenance.notes)


def test_numbers_of_conditions_get_their_names_and_sites_are_kept(tmp_path: Path) -> None:
    cases = read_arff(
        write(tmp_path, GOOD.replace("40.5, ?", "40.5,M")),
        patient="who",
        site="sex",
        conditions={"ill": "diseased"},
    )
    assert cases.classes == ("well", "diseased")
    assert cases.site is not None
    assert cases.site.tolist() == ["F", "M", "M"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("61,F,", "{0 61, 1 F}\n61,F,", "line 10 is a sparse row"),
        ("61,F,", "61,X,", "line 10: 'X' is not among the declared values of 'sex'"),
        ("61,F,", "61,", "line 10 has 5 values for 6 attributes"),
        ("61,F,", "inf,F,", "attribute 'age at visit', row 1: 'inf' is infinite"),
        ("61,F,", "1_0,F,", "'1_0' is not a number"),
        ("p1,ill", "p1,?", "attribute 'class' is missing in row 1"),
        ("p1,ill", "?,ill", "attribute 'who' is missing in row 1"),
        ("'head and neck',2", "'head and neck,2", "the quotes do not match"),
        ("numeric", "relational", "is a relational"),
        ("numeric", "number", "of the unknown kind 'number'"),
        ("{0,1,2}", "{0,1,2", "no closing bracket"),
        ("{0,1,2}", "{0,1,1,2}", "one comes twice"),
        ("@attribute grade", "@attribute sex", "two attributes are named 'sex'"),
        ("@DATA", "@DAT", "neither @relation"),
        (
            "@attribute class {well,ill,never}",
            "@attribute class {ill,well} \n@attribute more numeric",
            "7 attributes",
        ),
        ("well\n%", "ill\n%", "every case has the same label"),
        ("@attribute class", "@attribute outcome", "no attribute 'class'"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(UserError) as error:
        read_arff(write(tmp_path, GOOD.replace(old, new, 1)), patient="who")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_files_without_a_header_rows_or_words_are_refused(tmp_path: Path) -> None:
    for content, said in (
        ("", "no @data"),
        (GOOD[: GOOD.index("@DATA")], "no @data"),
        (GOOD[: GOOD.index("61,F")], "no rows below @data"),
        ("@data\n1\n", "no @attribute before @data"),
        ("@relation x\n@attribute class {a,b}\n@data\na\nb\n", "no attributes beside the label"),
    ):
        with pytest.raises(UserError, match=said):
            read_arff(write(tmp_path, content), patients=EVERY_CASE_ITS_OWN_PATIENT)
    with pytest.raises(UserError, match="no such file"):
        read_arff(tmp_path / "absent.arff")
    with pytest.raises(UserError, match="no patient ids"):
        read_arff(write(tmp_path, GOOD), drop=["who"])
    with pytest.raises(UserError, match="did you mean 'class'"):
        read_arff(write(tmp_path, GOOD), label="clas", patient="who")
    with pytest.raises(UserError, match=r"is a string.*drop=\['who'\]"):
        read_arff(write(tmp_path, GOOD), patients=EVERY_CASE_ITS_OWN_PATIENT)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "cases", "classes"),
    [("dermatology", 366, 6), ("primary.tumor", 339, 21), ("audiology", 226, 24), ("arrhythmia", 452, 13)],
)
def test_the_tables_at_hand(data_root: Path, name: str, cases: int, classes: int) -> None:
    table = read_arff(data_root / f"clinical/arff/{name}.arff", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(table) == cases
    assert len(table.classes) == classes
    assert np.isnan(table.x).any()
