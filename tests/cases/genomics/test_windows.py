"""Windows of DNA become one-hot sequences; their names, which give them away, do not."""

from pathlib import Path

import numpy as np
import pytest

from metadx.cases.genomics import one_hot, read_windows
from metadx.errors import UserError

GOOD = """@relation splice
@attribute 'Instance_name' {HUMA-DONOR-3,HUMA-ACCEPTOR-9,HUMB-NEG-1}
@attribute b1 {A,C,D}
@attribute b2 {G,T,N}
@attribute Class {EI,IE,N}
@data
HUMA-DONOR-3,A,G,EI
HUMA-ACCEPTOR-9,C,N,IE
HUMB-NEG-1,D,T,N
"""


def write(folder: Path, content: str) -> Path:
    (folder / "x.arff").write_text(content)
    return folder / "x.arff"


def test_ambiguous_letters_are_shared_out() -> None:
    windows = one_hot(["AcGU", "RNDS"], "here")
    assert windows.shape == (2, 4, 4)
    np.testing.assert_array_equal(windows[0], np.eye(4))
    np.testing.assert_allclose(windows[1, :, 0], [0.5, 0, 0.5, 0])
    np.testing.assert_allclose(windows[1, :, 1], [0.25] * 4)
    np.testing.assert_allclose(windows[1, :, 2], [1 / 3, 0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(windows.sum(1), 1, rtol=1e-6)
    with pytest.raises(UserError, match="row 2, base 1 is 'X'"):
        one_hot(["AC", "XC"], "here")
    with pytest.raises(UserError, match="lengths"):
        one_hot(["AC", "A"], "here")


def test_the_name_is_no_feature_and_its_entry_the_patient(tmp_path: Path) -> None:
    cases = read_windows(write(tmp_path, GOOD))
    assert cases.x.shape == (3, 4, 2)
    assert cases.patient.tolist() == ["HUMA", "HUMA", "HUMB"]
    assert cases.classes == ("donor (EI)", "acceptor (IE)", "neither (N)")
    assert cases.features == ()
    assert cases.modality == "genomics"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-3,A,G", "-3,?,G", "'b1' is missing in row 1"),
        ("{A,C,D}", "{A,C,D,AA}", None),
        ("b1 {A,C,D}\n", "b1 {Q,C,D}\n", "is not among the declared"),
        ("'Instance_name'", "name", "no attribute 'Instance_name'"),
        ("Class {EI,IE,N}", "Class string", "is not nominal"),
    ],
)
def test_bad_windows_are_refused(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    if said is None:
        assert len(read_windows(path)) == 3
        path = write(tmp_path, GOOD.replace(old, new).replace("-3,A,G", "-3,AA,G"))
        said = "holds no single letters"
    with pytest.raises(UserError) as error:
        read_windows(path)
    assert said in str(error.value)


@pytest.mark.real_data
def test_3190_windows_of_sixty(data_root: Path) -> None:
    cases = read_windows(data_root / "genomics/splice/splice.arff")
    assert cases.x.shape == (3190, 4, 60)
    assert cases.counts() == {"donor (EI)": 767, "acceptor (IE)": 768, "neither (N)": 1655}
    np.testing.assert_allclose(cases.x.sum(1), 1, rtol=1e-6)
    assert len(set(cases.patient)) == 1475
