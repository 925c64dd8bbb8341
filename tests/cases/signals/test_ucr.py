"""UCR files: label first, official halves, values that are missing, and lines that are not sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, DataSet, entries, load
from metadx.cases.signals import holds_ucr, read_ucr
from metadx.errors import UserError

WORDS = EVERY_CASE_ITS_OWN_PATIENT
TRAIN = "1\t0.5\t1.5\t-2e-1\n-1\t0\tNaN\t3\n"
TEST = "1.0000000e+00\t1\t2\t3\n"


def folder(tmp_path: Path, train: str = TRAIN, test: str = TEST) -> Path:
    made = tmp_path / "Made"
    made.mkdir(exist_ok=True)
    (made / "Made_TRAIN.tsv").write_text(train)
    (made / "Made_TEST.tsv").write_text(test)
    return made


def test_both_halves_are_read_and_told_apart(tmp_path: Path) -> None:
    cases = read_ucr(folder(tmp_path), rate=128, conditions={"-1": "ill"}, patients=WORDS)
    assert cases.x.shape == (3, 1, 3)
    assert cases.classes == ("ill", "1")
    assert cases.y.tolist() == [1, 1, 0]
    assert cases.details["split"].tolist() == ["test", "train", "train"]
    assert np.isnan(cases.x[2, 0, 1])
    assert cases.provenance.preprocessing == ("3 samples; 128 samples per second",)
    assert holds_ucr(tmp_path / "Made")


def test_one_file_and_older_separators(tmp_path: Path) -> None:
    for text in ("1,0.5,1\n2,1,2\n", "  1  0.5 1\n  2 1 2\n"):
        file = tmp_path / "Made_TRAIN.txt"
        file.write_text(text)
        assert read_ucr(file, patients=WORDS).x.shape == (2, 1, 2)


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("1\t1\t2\t3\n2\t1\t2\n", "line 2 has 2 samples, the first line 3"),
        ("1\t1\t2\t3\n2\t1\t2\tx\n", "sample 3: 'x' is no finite number"),
        ("1\t1\t2\t3\n2\t1\t2\tinf\n", "no finite number"),
        ("1\t1\t2\t1_0\n2\t1\t2\t1\n", "no finite number"),
        ("1\t1\t2\t3\n\t1\t2\t3\n", "line 2 is no label"),
        ("1\t1\t2\t3\n2\tnan\tnan\tnan\n", "no sample that is known"),
        ("1\t1\t2\n2\t1\t2\n", "shorter than the other file's 3"),
        ("1\t1\t2\t3\n1\t1\t2\t3\n", "every case has the label '1'"),
        ("", "no lines"),
    ],
)
def test_unsound_lines_are_refused(tmp_path: Path, train: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_ucr(folder(tmp_path, train), patients=WORDS)


def test_a_folder_of_two_sets_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "Other_TRAIN.tsv").write_text(TRAIN)
    with pytest.raises(UserError, match="of one set"):
        read_ucr(made, patients=WORDS)
    with pytest.raises(UserError, match="no such file"):
        read_ucr(tmp_path / "nowhere")


def test_without_the_words_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no patient ids"):
        read_ucr(folder(tmp_path))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "train", "samples"), [("ecg200", 100, 96), ("ecgfivedays", 23, 136), ("twoleadecg", 23, 82)]
)
def test_the_official_halves(data_root: Path, name: str, train: int, samples: int) -> None:
    data_set: DataSet = entries()[name]
    cases = load(name, allow_unverified=True, patients=WORDS)
    assert len(cases) == data_set.cases
    assert cases.x.shape[1:] == (1, samples)
    assert int((cases.details["split"] == "train").sum()) == train
    assert not any(c.lstrip("-").isdigit() for c in cases.classes)
    if name == "ecg200":
        assert cases.counts() == {"myocardial infarction": 67, "normal": 133}
