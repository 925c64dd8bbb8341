"""Reading cases for a model that exists: what it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metadx.cases import Inputs, Observations, fit_table, read_observations, read_table
from metadx.cases.preprocess import Pixels
from metadx.errors import UserError
from studies.making import write_pictures, write_table

PICTURES = Inputs("image", (), Pixels((1, 8, 8)))


@pytest.fixture
def trained(tmp_path: Path) -> Inputs:
    """What a model takes that was trained on `write_table`: a, b, c and sex=F."""
    cases = read_table(write_table(tmp_path / "trained.csv"))
    assert cases.features == ("a", "b", "c", "sex=F")
    return Inputs("table", cases.features, fit_table(cases.x))


def read(folder: Path, text: str, inputs: Inputs) -> Observations:
    (folder / "new.csv").write_text(text, encoding="utf-8")
    return read_observations(folder / "new.csv", inputs)


def test_the_cases_of_the_training_are_read_alike(trained: Inputs, tmp_path: Path) -> None:
    cases = read_table(tmp_path / "trained.csv")
    new = read_observations(tmp_path / "trained.csv", trained)
    np.testing.assert_array_equal(new.x, cases.x)
    assert new.label == tuple(cases.classes[y] for y in cases.y)
    assert new.name == new.patient == tuple(cases.patient)


def test_columns_in_another_order_and_more_of_them(trained: Inputs, tmp_path: Path) -> None:
    new = read(tmp_path, "ward,c,sex,b,a\nnorth,3,M,2,1\nsouth,,F,5,4\n,6,,5,4\n", trained)
    np.testing.assert_array_equal(new.x, [[1, 2, 3, 0], [4, 5, np.nan, 1], [4, 5, 6, np.nan]])
    assert new.name == ("row 1", "row 2", "row 3")
    assert new.label is new.patient is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,sex\n1,2,F\n", "no column 'c', which the model was trained with; known are a, b, sex"),
        ("A,b,c,sex\n1,2,3,F\n", "no column 'a', which the model was trained with; did you mean 'A'?"),
        ("a,b,c,gender\n1,2,3,F\n", "no column 'sex', which the model was trained with"),
        ("a,b,c,sex\n1,x,3,F\n", "column 'b', row 1: 'x' is not a number"),
        ("a,b,c,sex\n1,inf,3,F\n", "column 'b', row 1: 'inf' is infinite"),
        (
            "a,b,c,sex\n1,2,3,male\n1,2,3,female\n",
            "column 'sex' says 'female' and 'male', but training said 'F' and",
        ),
        (
            "a,b,c,sex\n1,2,3,0\n1,2,3,1\n",
            "column 'sex' says '0' and '1', but training said 'F' and one other word",
        ),
        ("a,b,c,sex,label\n1,2,3,F,flu\n1,2,3,F,\n", "column 'label' is missing in row 2"),
        ("path\nx.png\n", "a column 'path' of pictures, but the model takes table cases"),
        ("a,b,c,sex\n", "no cases below the header"),
    ],
)
def test_tables_that_are_not_what_the_model_takes(
    text: str, said: str, trained: Inputs, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, text, trained)
    assert said in str(error.value)
    assert str(tmp_path / "new.csv") in str(error.value)


def test_a_level_that_training_did_not_show(tmp_path: Path) -> None:
    inputs = Inputs("table", ("ward=a", "ward=b", "ward=c"), fit_table(np.eye(3)))
    assert read(tmp_path, "ward\na\n\nc\n", inputs).x.tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(
        UserError, match=r"column 'ward' says 'd', but training said 'a', 'b', 'c'. Write them"
    ):
        read(tmp_path, "ward\na\nd\n", inputs)


def test_pictures_one_many_sorted_and_listed(tmp_path: Path) -> None:
    cells = write_pictures(tmp_path / "cells", conditions=2, pictures=2, side=8)
    one = read_observations(cells / "kind 1" / "1.png", PICTURES)
    assert (one.x.shape, one.x.dtype, one.name, one.label) == ((1, 1, 8, 8), np.uint8, ("1.png",), None)
    (cells / "kind 1" / "._1.png").write_text("what a Mac leaves behind")
    flat = read_observations(cells / "kind 1", PICTURES)
    assert (flat.name, flat.label) == (("0.png", "1.png"), None)
    (cells / "kind 1" / "._1.png").unlink()
    folders = read_observations(cells, PICTURES)
    assert folders.label == ("kind 0", "kind 0", "kind 1", "kind 1")
    assert folders.name == ("kind 0/0.png", "kind 0/1.png", "kind 1/0.png", "kind 1/1.png")
    np.testing.assert_array_equal(folders.x[2:], flat.x)
    listed = read(tmp_path, "path,label,patient\ncells/kind 1/1.png,kind 1,p1\n", PICTURES)
    assert (listed.name, listed.label, listed.patient) == (("cells/kind 1/1.png",), ("kind 1",), ("p1",))
    np.testing.assert_array_equal(listed.x, one.x)


def test_pictures_of_another_size_become_the_model_s(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), (9, 9, 9)).save(tmp_path / "x.png")
    assert read_observations(tmp_path / "x.png", PICTURES).x.shape == (1, 1, 8, 8)


def test_pictures_that_are_not_what_the_model_takes(trained: Inputs, tmp_path: Path) -> None:
    cells = write_pictures(tmp_path / "cells", conditions=2, pictures=2, side=8)
    for path in (cells, cells / "kind 0", cells / "kind 0" / "0.png"):
        with pytest.raises(UserError, match=r"pictures, but the model takes table cases. Give a CSV"):
            read_observations(path, trained)
    with pytest.raises(UserError, match="no column 'path', but the model takes pictures"):
        read_observations(tmp_path / "trained.csv", PICTURES)
    with pytest.raises(UserError, match="points outside the manifest's folder"):
        read(tmp_path, "path\n../x.png\n", PICTURES)
    (cells / "loose.png").write_bytes((cells / "kind 0" / "0.png").read_bytes())
    with pytest.raises(UserError, match="holds pictures and the folder 'kind 0'"):
        read_observations(cells, PICTURES)
    with pytest.raises(UserError, match="none: no such file"):
        read_observations(tmp_path / "none", PICTURES)
    with pytest.raises(UserError, match="no such picture"):
        read_observations(tmp_path / "none.png", PICTURES)
