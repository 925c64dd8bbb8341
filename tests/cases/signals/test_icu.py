"""Intensive care stays: official counts, units, what is missing, and damaged or hostile files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from metadx.cases import fit_transform
from metadx.cases.signals import ICU_TYPES, VARIABLES, holds_stays, read_icu, summarise
from metadx.errors import UserError

AT = {v.name: i for i, v in enumerate(VARIABLES)}
OUTCOMES = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n"


def stay(record: int, rows: str = "01:30,HR,80\n01:45,HR,90\n47:59,Lactate,2.5\n", unit: int = 4) -> str:
    said = f"00:00,RecordID,{record}\n00:00,Age,54\n00:00,Gender,-1\n00:00,Height,-1\n00:00,ICUType,{unit}\n"
    return "Time,Parameter,Value\n" + said + "00:00,Weight,-1\n" + rows


def folder(
    tmp_path: Path, texts: dict[int, str] | None = None, died: str = "1,6,1,5,-1,0\n2,1,1,1,3,1\n"
) -> Path:
    made = tmp_path / "stays"
    (made / "set-a").mkdir(parents=True, exist_ok=True)
    for record, text in (texts or {1: stay(1), 2: stay(2, unit=1)}).items():
        (made / "set-a" / f"{record}.txt").write_text(text)
    (made / "Outcomes-a.txt").write_text(OUTCOMES + died)
    return made


def packed(place: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(place, mode) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return place


def test_a_stay_is_bins_of_means_and_gaps(tmp_path: Path) -> None:
    cases = read_icu(folder(tmp_path))

    assert cases.x.shape == (2, len(VARIABLES), 48)
    assert cases.classes == ("survived", "died in hospital")
    assert cases.y.tolist() == [0, 1]
    assert cases.patient.tolist() == ["1", "2"]
    assert cases.group is not None
    assert cases.group.tolist() == ["surgical ICU", "coronary care unit"]
    assert cases.x[0, AT["HR"], 1] == 85
    assert cases.x[0, AT["Lactate"], 47] == 2.5
    assert cases.x[0, AT["Age"], 0] == 54
    assert np.isnan(cases.x[:, AT["Gender"]]).all()
    assert int(np.isfinite(cases.x[0]).sum()) == 3
    assert "HR (beats/min)" in cases.provenance.preprocessing[1]


def test_an_archive_and_its_folder_are_the_same_stays(tmp_path: Path) -> None:
    place = folder(tmp_path)
    packed(
        tmp_path / "set-a.tar.gz",
        [(tarfile.TarInfo(f"set-a/{p.name}"), p.read_bytes()) for p in sorted((place / "set-a").iterdir())],
    )
    (tmp_path / "Outcomes-a.txt").write_text((place / "Outcomes-a.txt").read_text())
    whole, archive = read_icu(place), read_icu(tmp_path / "set-a.tar.gz")

    np.testing.assert_array_equal(whole.x, archive.x)
    np.testing.assert_array_equal(whole.x, read_icu(place / "set-a").x)
    assert whole.fingerprint() == archive.fingerprint()
    assert whole.provenance.checksum == archive.provenance.checksum
    assert holds_stays(place)
    assert not holds_stays(tmp_path / "nowhere")


def test_sets_beside_each_other_are_read_together(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (place / "set-b").mkdir()
    (place / "set-b" / "7.txt").write_text(stay(7))
    with pytest.raises(UserError, match=r"Outcomes-b.txt is not beside it"):
        read_icu(place)
    (place / "Outcomes-b.txt").write_text(OUTCOMES + "7,1,1,1,1,1\n")
    assert read_icu(place).patient.tolist() == ["1", "2", "7"]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    texts = {
        1: stay(1, "01:00,pH,735\n01:00,pH,7.4\n01:10,,3\n01:20,Temp,-17.8\n"),
        2: stay(2),
        3: stay(3, ""),
        4: stay(4),
        5: stay(5, "00:10,Weight,80\n"),
    }
    cases = read_icu(folder(tmp_path, texts))
    assert len(cases) == 2
    assert cases.x[0, AT["pH"], 1] == np.float32(7.4)
    assert cases.provenance.notes == (
        "2 stays were left out: nothing was measured over time.",
        "1 stays were left out: their outcome is not known.",
        "2 measurements that no living patient has were made missing.",
        "1 rows were left out: they name no variable of the challenge.",
    )


def test_less_of_the_stay_in_longer_bins(tmp_path: Path) -> None:
    cases = read_icu(folder(tmp_path), hours=24, step=2)
    assert cases.x.shape == (2, len(VARIABLES), 12)
    assert cases.x[0, AT["HR"], 0] == 85
    assert not np.isfinite(cases.x[:, AT["Lactate"]]).any()
    with pytest.raises(UserError, match="hours=49"):
        read_icu(folder(tmp_path), hours=49)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("48:01,HR,80\n", "line 8 .'48:01,HR,80'. cannot be read"),
        ("0100,HR,80\n", "cannot be read"),
        ("01:00,HR\n", "cannot be read"),
        ("01:00,HR,nan\n", "cannot be read"),
        ("01:00,HR,inf\n", "cannot be read"),
        ("01:00,HR,8_0\n", "cannot be read"),
        ("00:00,ICUType,9\n", "ICUType is 9.0, not 1 to 4"),
        ("00:00,RecordID,99\n", "says it is stay 99.0, not 1"),
    ],
)
def test_rows_that_mean_nothing_are_refused_by_line(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_icu(folder(tmp_path, {1: stay(1, rows), 2: stay(2)}))


@pytest.mark.parametrize(
    ("died", "said"),
    [
        ("1,6,1,5,-1,0\n2,6,1,5,-1,0\n", "all of one outcome"),
        ("1,6,1,5,-1,0\n1,6,1,5,-1,1\n", "row 3"),
        ("1,6,1,5,-1,2\n", "row 2"),
        ("1,6,1\n", "row 2"),
    ],
)
def test_outcomes_are_checked(tmp_path: Path, died: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_icu(folder(tmp_path, died=died))


def test_hostile_archives_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Outcomes-a.txt").write_text(OUTCOMES + "1,6,1,5,-1,0\n2,1,1,1,3,1\n")
    link = tarfile.TarInfo("set-a/1.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(UserError, match="a link"):
        read_icu(packed(tmp_path / "set-a.tar.gz", [(link, b"")]))
    with pytest.raises(UserError, match="above 2 MB"):
        read_icu(packed(tmp_path / "set-a.tar.gz", [(tarfile.TarInfo("set-a/1.txt"), b"0" * 3_000_000)]))
    with pytest.raises(UserError, match="no stays"):
        read_icu(packed(tmp_path / "set-a.tar.gz", [(tarfile.TarInfo("../../x.sh"), b"rm")]))
    whole = packed(tmp_path / "set-a.tar.gz", [(tarfile.TarInfo("1.txt"), stay(1).encode())]).read_bytes()
    (tmp_path / "set-a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read as an archive"):
        read_icu(tmp_path / "set-a.tar.gz")
    twice = [(tarfile.TarInfo(name), stay(1).encode()) for name in ("a/1.txt", "b/1.txt")]
    with pytest.raises(UserError, match="stay 1 comes twice"):
        read_icu(packed(tmp_path / "set-a.tar.gz", twice))
    assert not (tmp_path.parent / "x.sh").exists()


def test_an_archive_that_unpacks_without_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadx.cases.signals.icu_files._MOST_UNPACKED", 100_000)
    (tmp_path / "Outcomes-a.txt").write_text(OUTCOMES + "1,6,1,5,-1,0\n")
    bomb = packed(tmp_path / "set-a.tar.gz", [(tarfile.TarInfo("set-a/notes"), b"0" * 5_000_000)])
    with pytest.raises(UserError, match="unpacked"):
        read_icu(bomb)


def test_a_summary_is_a_table_of_what_each_channel_did(tmp_path: Path) -> None:
    texts = {1: stay(1), 2: stay(2, "02:00,HR,100\n05:00,HR,60\n09:00,Temp,37\n")}
    table = summarise(read_icu(folder(tmp_path, texts)), [v.name for v in VARIABLES])
    row = dict(zip(table.features, table.x[1], strict=True))

    assert table.modality == "table"
    assert {k: row[f"HR {k}"] for k in ("first", "last", "least", "most", "mean", "spread", "observed")} == {
        "first": 100, "last": 60, "least": 60, "most": 100, "mean": 80, "spread": 20, "observed": 2 / 48,
    }  # fmt: skip
    assert np.isnan(row["Lactate mean"])
    assert "Age first" not in row
    assert table.group is not None


def test_signals_with_gaps_get_the_transform_that_says_so(tmp_path: Path) -> None:
    cases = read_icu(folder(tmp_path))
    transform = fit_transform(cases)
    assert transform.shape == (3 * len(VARIABLES), 48)
    assert np.isfinite(transform(cases.x)).all()


@pytest.mark.real_data
def test_set_a_has_its_official_counts(data_root: Path) -> None:
    cases = read_icu(data_root / "signals" / "physionet2012")
    assert len(cases) == 3997  # 4,000 stays, three of which measured nothing over time
    assert cases.counts() == {"survived": 3443, "died in hospital": 554}
    assert cases.group is not None
    assert {u: int((cases.group == u).sum()) for u in ICU_TYPES.values()} == {
        "coronary care unit": 577,
        "cardiac surgery recovery unit": 874,
        "medical ICU": 1478,
        "surgical ICU": 1068,
    }
    first = cases.select(cases.patient == "132539")
    assert first.x[0, AT["HR"], 0] == 75  # 73 and 77
    assert first.x[0, AT["NIMAP"], 0] == pytest.approx((92.33 + 91) / 2)
