"""The thyroid cases that come with metadx."""

import time
from pathlib import Path

import numpy as np
import pytest

from metadx.cases import diagnosis, fit_transform, letters, load, read_thyroid
from metadx.cases.thyroid import embedded_thyroid
from metadx.errors import UserError


@pytest.fixture(scope="module")
def cases():
    return read_thyroid()


def test_every_patient_once_and_every_diagnosis_named(cases) -> None:
    assert len(cases) == len(set(cases.patient)) == 9172
    assert len(cases.classes) == 32
    counts = cases.counts()
    assert counts["no condition (-)"] == 6771
    assert counts["primary hypothyroid (F)"] == 233
    assert counts["concurrent non-thyroidal illness (K)"] == 436
    assert sum(count >= 10 for count in counts.values()) == 21


def test_labs_that_were_not_measured_are_nan(cases) -> None:
    missing = {name: int(np.isnan(cases.x[:, at]).sum()) for at, name in enumerate(cases.features)}
    assert missing["TSH"] == 842
    assert missing["TBG"] == 8823
    assert missing["sex=F"] == 307
    assert missing["on_thyroxine"] == 0
    assert not any(name.endswith("_measured") for name in cases.features)
    labs = cases.x[:, [cases.features.index(lab) for lab in ("TSH", "T3", "TT4", "T4U", "FTI", "TBG")]]
    assert np.nanmin(labs) > 0


def test_impossible_ages_are_missing_and_said_so(cases) -> None:
    age = cases.x[:, cases.features.index("age")]
    assert np.isnan(age).sum() == 4
    assert np.nanmax(age) == 97
    assert "4 ages above 120 years made missing" in cases.provenance.preprocessing


def test_flags_and_categories_are_zero_or_one(cases) -> None:
    for at, name in enumerate(cases.features):
        if name not in ("age", "TSH", "T3", "TT4", "T4U", "FTI", "TBG"):
            assert set(np.unique(cases.x[:, at][~np.isnan(cases.x[:, at])])) <= {0.0, 1.0}
    sources = [at for at, name in enumerate(cases.features) if name.startswith("referral_source=")]
    assert len(sources) == 6
    np.testing.assert_array_equal(cases.x[:, sources].sum(1), 1)


def test_the_transform_takes_them(cases) -> None:
    assert np.isfinite(fit_transform(cases)(cases.x)).all()


def test_reading_is_fast() -> None:
    start = time.perf_counter()
    read_thyroid()
    assert time.perf_counter() - start < 2.0


def test_diagnoses_in_words() -> None:
    assert diagnosis("-") == "no condition (-)"
    assert diagnosis("GKJ") == (
        "compensated hypothyroid with concurrent non-thyroidal illness and decreased binding protein (GKJ)"
    )
    assert diagnosis("C|I") == "toxic goitre, more likely increased binding protein (C|I)"
    for bad in ("", "X", "|", "A|", "a"):
        with pytest.raises(UserError):
            diagnosis(bad)


def test_letters_tell_which_conditions_belong_together(cases) -> None:
    assert letters("hyperthyroid (A)") == {"A"}
    assert letters(diagnosis("AK")) & letters(diagnosis("K")) == {"K"}
    assert letters(diagnosis("H|K")) == {"H", "K"}
    assert letters("no condition (-)") == {"-"}
    for name in cases.classes:
        code = name[name.rindex("(") + 1 : -1]
        assert letters(name) == set(code) - {"|"}
        assert diagnosis(code) == name
    with pytest.raises(UserError):
        letters("hyperthyroid")


def test_another_table_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    for content in (b"a,b\n1,2\n", b"", b"\xff\xfe"):
        other.write_bytes(content)
        with pytest.raises(UserError, match="thyroid table"):
            read_thyroid(other)
    with pytest.raises(UserError):
        read_thyroid(tmp_path / "absent.csv")


def test_ages_in_words_are_refused(tmp_path: Path) -> None:
    lines = embedded_thyroid().read_text().splitlines()[:500]
    at = lines[0].split(",").index("age")
    rows = [line.split(",") for line in lines[1:]]
    words = [",".join([*row[:at], "old", *row[at + 1 :]]) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join([lines[0], *words]) + "\n")
    with pytest.raises(UserError, match="most ages are no numbers"):
        read_thyroid(tmp_path / "t.csv")


def test_the_catalogue_vouches_for_the_installed_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METADX_DATA", raising=False)
    cases = load("thyroid")
    assert cases.provenance.checksum.startswith("sha256:17bfe20d")
    assert cases.provenance.licence == "CC BY 4.0"
