"""Heartbeats of recordings: real ones, and small ones written here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.cases import entry, load
from metadx.cases.signals import AAMI_MAPPINGS, DS1, DS2, BeatWindow, read_beats
from metadx.cases.signals.beats import recent_range
from metadx.errors import UserError

wfdb = pytest.importorskip("wfdb")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of wfdb about pandas
RATE = 250.0


def write_record(
    folder: Path, name: str, symbols: str = "NNVNAN", *, rate: float = RATE, **changes: Any
) -> Path:
    """A recording with a 1 mV peak at every annotation, one a second from half a second on."""
    seconds = np.arange(len(symbols)) + 0.5
    time = np.arange(int((len(symbols) + 0.5) * rate)) / rate
    wave = sum(np.exp(-(((time - s) / 0.02) ** 2)) for s in seconds)
    signal = np.stack([0.1 * wave, wave], axis=1)
    settings = {"units": ["mV", "mV"], "sig_name": ["V1", "MLII"]} | changes
    wfdb.wrsamp(
        name, rate, fmt=["16", "16"], adc_gain=[1000, 1000], baseline=[0, 0], p_signal=signal,
        write_dir=str(folder), **settings,
    )  # fmt: skip
    at = np.round(seconds * rate).astype(np.int64)
    wfdb.wrann(name, "atr", at, symbol=list(symbols), write_dir=str(folder))
    return folder / name


def test_one_case_per_beat(tmp_path: Path) -> None:
    write_record(tmp_path, "a")
    write_record(tmp_path, "b", "+NFeQ~")
    cases = read_beats(tmp_path)
    assert cases.x.shape == (10, 7, 144)
    assert [cases.classes[y] for y in cases.y] == ["N", "N", "V", "N", "S", "N", "N", "F", "N", "Q"]
    assert cases.patient.tolist() == ["a"] * 6 + ["b"] * 4
    assert np.allclose(cases.time, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 1.5, 2.5, 3.5, 4.5])
    assert cases.name is not None
    assert cases.name[0] == "a@0.500"
    assert "MLII" in cases.provenance.preprocessing[0]
    peak = np.argmin(np.abs(BeatWindow().offsets))
    assert np.allclose(cases.x[:, 0, peak], 2, atol=0.1)
    assert np.abs(np.median(cases.x[:, 0], axis=1)).max() < 1e-3


def test_escape_beats_by_either_mapping(tmp_path: Path) -> None:
    write_record(tmp_path, "a", "NejN")
    assert read_beats(tmp_path).counts()["S"] == 0
    other = read_beats(tmp_path, mapping="aami-escape-s")
    assert other.counts()["S"] == 2
    assert "aami-escape-s" in other.provenance.notes[0]
    with pytest.raises(UserError, match=r"unknown beat mapping 'ammi'.*aami"):
        read_beats(tmp_path, mapping="ammi")
    assert AAMI_MAPPINGS["aami"].keys() == AAMI_MAPPINGS["aami-escape-s"].keys()


@pytest.mark.parametrize("rate", [128.0, 180.0, 360.0, 1000.0])
def test_beats_look_alike_at_every_sampling_rate(rate: float, tmp_path: Path) -> None:
    write_record(tmp_path, "a", "NNNNN", rate=rate)
    (tmp_path / "other").mkdir()
    write_record(tmp_path / "other", "a", "NNNNN", rate=500.0)
    one, other = read_beats(tmp_path).x, read_beats(tmp_path / "other").x
    assert np.abs(one[1:4, 0] - other[1:4, 0]).max() < 0.24


def test_leads_by_preference_and_units(tmp_path: Path) -> None:
    write_record(tmp_path, "a", units=["uV", "uV"])
    plain = read_beats(tmp_path, leads=["V1"])
    assert plain.x[:, 0].max() == pytest.approx(0.0001 / 0.025, rel=0.1)  # half the least range, in mV
    write_record(tmp_path, "a", sig_name=["x", "y"])
    assert "lead x" in read_beats(tmp_path).provenance.preprocessing[0]
    write_record(tmp_path, "a", units=["mmHg", "mmHg"])
    with pytest.raises(UserError, match="in 'mmHg', not volts"):
        read_beats(tmp_path)


def test_a_window_sees_nothing_outside_itself(tmp_path: Path) -> None:
    record = write_record(tmp_path, "a", "NNNNN")
    before = read_beats(tmp_path).x
    content = bytearray((tmp_path / "a.dat").read_bytes())
    content[int(4.1 * RATE) * 4 :] = bytes(len(content) - int(4.1 * RATE) * 4)
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(UserError, match="the samples do not have the checksum of the header"):
        read_beats(tmp_path)
    header = (tmp_path / "a.hea").read_text().splitlines()
    assert header[0].startswith(record.name)
    without_sums = [" ".join(line.split()[:5]) + f" 0 {line.split()[-1]}" for line in header[1:]]
    (tmp_path / "a.hea").write_text("\n".join([header[0], *without_sums]) + "\n")
    assert np.array_equal(read_beats(tmp_path).x[:3], before[:3])


def test_beats_are_measured_by_those_before_them(tmp_path: Path) -> None:
    wave = np.sin(np.linspace(0, 6.28, 50)) * np.r_[np.ones(100), np.full(100, 3.0)][:, None]
    size = recent_range(wave)
    assert np.allclose(size[:125], size[0])
    assert np.allclose(size[126:], 3 * size[0])
    assert np.array_equal(recent_range(wave[:120]), size[:120])
    assert (recent_range(0 * wave) == 0.05).all()


def test_recordings_of_one_person(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_record(tmp_path, name)
    cases = read_beats(tmp_path, same_patient=[["a", "c"]])
    assert set(cases.patient) == {"a", "b"}
    assert (cases.patient == "a").sum() == 12


def test_bad_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_beats(tmp_path / "none")
    with pytest.raises(UserError, match="no recordings"):
        read_beats(tmp_path)
    record = write_record(tmp_path, "a")
    with pytest.raises(UserError, match=r"b\.hea: no such file"):
        read_beats(tmp_path, ["b"])
    header = record.with_suffix(".hea").read_text()
    samples = header.split()[3]
    for change, said in (
        (header.replace(f" {samples}", " 900000000", 1), "more than can be read at once"),
        (header.replace(f" {samples}", " 9000000", 1), "more than its files hold"),
        (header.replace(" 250 ", " 0 ", 1), "cannot be an ECG"),
        (header.replace("a.dat", "b.dat"), "is not beside it"),
        ("", "damaged"),
    ):
        record.with_suffix(".hea").write_text(change)
        with pytest.raises(UserError, match=said):
            read_beats(tmp_path)


def test_annotations_past_the_end(tmp_path: Path) -> None:
    record = write_record(tmp_path, "a")
    wfdb.wrann("a", "atr", np.array([10, 99_999]), symbol=["N", "N"], write_dir=str(tmp_path))
    with pytest.raises(UserError, match="annotations up to sample 99,999"):
        read_beats(record.parent)


@pytest.mark.skipif("METADX_DATA" not in os.environ, reason="MIT-BIH is not on this machine (METADX_DATA)")
def test_mit_bih_has_its_published_beats() -> None:
    cases = load("mitdb")
    assert cases.counts() == {"N": 90_631, "S": 2_781, "V": 7_236, "F": 803, "Q": 8_043}
    assert len(set(cases.patient)) == 47
    of = np.array([name.partition("@")[0] for name in cases.name])  # type: ignore[union-attr]
    assert (np.isin(of, DS1).sum(), np.isin(of, DS2).sum()) == (51_021, 49_712)
    folder = Path(os.environ["METADX_DATA"]) / "signals" / "mitdb"
    record, annotation = wfdb.rdrecord(str(folder / "100")), wfdb.rdann(str(folder / "100"), "atr")
    mine = cases.select(of == "100")
    beats = np.array([symbol in AAMI_MAPPINGS["aami"] for symbol in annotation.symbol])
    assert np.allclose(mine.time, annotation.sample[beats] / 360)  # type: ignore[arg-type]
    symbols = [AAMI_MAPPINGS["aami"][symbol] for symbol in np.array(annotation.symbol)[beats]]
    assert [mine.classes[y] for y in mine.y] == symbols
    at = annotation.sample[beats][100]
    window = record.p_signal[at - 126 : at + 162, 0]
    halved = (window[:-1] + window[1:])[::2] / 2 - np.median(window)
    found = mine.x[100, 0, : len(halved)]
    assert np.abs(found * np.ptp(halved) / np.ptp(found) - halved).max() < 0.2


@pytest.mark.skipif("METADX_DATA" not in os.environ, reason="MIT-BIH is not on this machine (METADX_DATA)")
def test_the_inter_patient_protocol_shares_nobody() -> None:
    cases = load("mitdb_dechazal")
    assert len(cases) == entry("mitdb_dechazal").cases
    assert set(cases.patient) == {*DS1, *DS2} - {"201"}
    assert np.isin(cases.patient, DS2).sum() == 49_712
    assert not {*DS1} & {*DS2}
    assert len(DS1) == len(DS2) == 22
