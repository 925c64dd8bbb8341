"""Saturation editing: variants of one gene, without the score that their class was made from."""

from pathlib import Path

import numpy as np
import pytest

from metadx.cases.genomics import read_saturation
from metadx.errors import UserError

GOOD = """position,change,score,cadd,class
41276135,A>G,-0.1,3,FUNC
41276135,c.-19A>C,-2,20,LOF
41276134,T>C,-.8,,INT
"""


def write(folder: Path, content: str) -> Path:
    (folder / "x.csv").write_text(content)
    return folder / "x.csv"


def test_variants_of_one_gene(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    cases = read_saturation(path, gene="BRCA1", chromosome="17")
    assert "score" not in cases.features
    assert cases.group is not None
    assert cases.name is not None
    assert set(cases.group) == {"BRCA1"}
    assert cases.name.tolist() == ["17-41276135-A-G", "17-41276135-A-C", "17-41276134-T-C"]
    assert cases.patient.tolist() == ["17-41276135", "17-41276135", "17-41276134"]
    assert cases.classes == ("FUNC", "INT", "LOF")
    assert cases.x[1, cases.features.index("changed to C")] == 1
    more = read_saturation(path, gene="BRCA1", features=["cadd"])
    np.testing.assert_array_equal(more.x[:, -1], [3, 20, np.nan])
    assert more.select([0]).group is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("A>G", "p.Arg5Gly", "row 1: 'p.Arg5Gly' is no change"),
        ("A>G", "", "column 'change' is missing in row 1"),
        ("41276134", "4.5", "holds fractions"),
        ("41276134", "inf", "infinite"),
        ("position,", "pos,", "no column 'position'; did you mean 'pos'"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        read_saturation(write(tmp_path, GOOD.replace(old, new)), gene="BRCA1")
    assert said in str(error.value)


def test_the_label_is_no_feature(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is the label and a feature"):
        read_saturation(write(tmp_path, GOOD), gene="BRCA1", features=["class"])
