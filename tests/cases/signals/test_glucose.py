"""Continuous glucose: files as people have them, and what must not become a number."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from metadx.cases import load
from metadx.cases.signals import read_glucose
from metadx.errors import UserError

HEAD = "timestamp,glucose_value_mg_dl\n"


def rows(
    count: int = 60, step: int = 5, first: float = 100.0, *, dates: bool = True, start: int = 0
) -> list[str]:
    """Readings that rise by 1 mg/dL a minute."""
    said = []
    for i in range(count):
        minute = start + i * step
        clock = f"{minute // 60 % 24:02d}:{minute % 60:02d}:00"
        day = f"2024-05-{1 + minute // 1440:02d} " if dates else ""
        said.append(f"{day}{clock},{first + i * step}\n")
    return said


def as_mmol(line: str) -> str:
    time, value = line.split(",")
    return f"{time},{float(value) / 18.016:.4f}\n"


def write(folder: Path, name: str, lines: list[str], head: str = HEAD) -> Path:
    path = folder / name
    content = (head + "".join(lines)).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def test_histories_and_values_ahead(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", rows())
    write(tmp_path, "b.csv.gz", rows(step=15, count=30))
    write(tmp_path, "cohort-metadata.csv", [])
    cases = read_glucose(tmp_path, cohort="here")
    assert cases.x.shape[1:] == (1, 25)
    assert np.allclose(cases.y - cases.x[:, 0, -1], 30)
    assert np.allclose(np.diff(cases.x[:, 0], axis=1), 5, atol=1e-4)
    assert set(cases.patient) == {"here/a", "here/b"}
    assert cases.time is not None
    assert cases.time[cases.patient == "here/a"].tolist() == list(range(120, 270, 5))
    assert cases.regression
    assert read_glucose(tmp_path, horizon=60, history=30).x.shape[1:] == (1, 7)


def test_nothing_later_than_the_reading_is_seen(tmp_path: Path) -> None:
    lines = rows()
    write(tmp_path, "a.csv", lines)
    before = read_glucose(tmp_path)
    write(tmp_path, "a.csv", lines[:40] + [line.split(",")[0] + ",90\n" for line in lines[40:]])
    after = read_glucose(tmp_path)
    known = before.time <= 39 * 5  # type: ignore[operator]
    assert np.array_equal(before.x[known], after.x[known])


def test_gaps_make_no_cases(tmp_path: Path) -> None:
    lines = rows(100)
    write(tmp_path, "a.csv", lines[:40] + lines[46:])
    cases = read_glucose(tmp_path)
    gap = (39 * 5, 46 * 5)
    assert cases.time is not None
    assert not ((cases.time > gap[0] - 30) & (cases.time < gap[1] + 120)).any()
    assert (cases.time >= gap[1] + 120).any()


def test_times_without_dates_count_midnights(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", rows(400, dates=False, start=1380))
    write(tmp_path, "b.csv", rows(400, start=1380))
    cases = read_glucose(tmp_path)
    a, b = (cases.select(np.char.endswith(cases.patient, name)) for name in ("/a", "/b"))
    assert np.array_equal(a.x, b.x)
    assert np.array_equal(a.time, b.time)  # type: ignore[arg-type]
    assert any("times of day without dates" in note for note in cases.provenance.notes)


def test_what_is_no_reading_is_left_out_and_counted(tmp_path: Path) -> None:
    lines = rows(80)
    lines[50] = lines[50].split(",")[0] + ",\n"
    lines[51] = lines[51].split(",")[0] + ",LO\n"
    lines[60] = lines[60].split(",")[0] + ",5000\n"
    lines.insert(70, lines[69])
    write(tmp_path, "a.csv", lines)
    cases = read_glucose(tmp_path)
    assert np.isfinite(cases.x).all()
    assert cases.x.max() < 500
    assert any(note.startswith("4 readings were left out") for note in cases.provenance.notes)


@pytest.mark.parametrize(
    ("lines", "head", "said"),
    [
        (
            [as_mmol(r) for r in rows()],
            HEAD,
            "looks like mmol/L",
        ),
        (
            [r if i % 5 else as_mmol(r) for i, r in enumerate(rows())],
            HEAD,
            "units look mixed",
        ),
        (rows(), "time,glucose\n", "needs the columns 'timestamp'"),
        ([], HEAD, "needs the columns"),
        (["yesterday,100\n"], HEAD, "row 1: 'yesterday' is no time"),
        (rows(3) + rows(3, dates=False), HEAD, "some times have a date and some have none"),
        (rows()[::-1], HEAD, "times run backwards 59 times"),
        (rows(10), HEAD, "nobody has 120 minutes"),
        (["2024-05-01 10:00:00,100\n", "2024-05-01 10:05:00+02:00,100\n"], HEAD, "some times have a zone"),
    ],
)
def test_files_that_would_give_wrong_numbers_are_refused(
    lines: list[str], head: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, "a.csv", lines, head)
    with pytest.raises(UserError, match=said):
        read_glucose(tmp_path)


def test_mmol_by_name_or_by_word(tmp_path: Path) -> None:
    lines = [as_mmol(r) for r in rows()]
    write(tmp_path, "a.csv", lines, "timestamp,glucose_value_mmol_l\n")
    named = read_glucose(tmp_path)
    write(tmp_path, "a.csv", lines)
    told = read_glucose(tmp_path, unit="mmol/L")
    assert np.allclose(named.x, told.x)
    assert named.x[0, 0, 0] == pytest.approx(100, abs=0.01)


def test_folders_without_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_glucose(tmp_path / "none")
    with pytest.raises(UserError, match=r"no \.csv or \.csv\.gz file"):
        read_glucose(tmp_path)


@pytest.mark.skipif(
    "METADX_DATA" not in os.environ, reason="the cohorts are not on this machine (METADX_DATA)"
)
@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("glucose_hupa", 24),
        ("glucose_shanghai_t1", 12),
        ("glucose_shanghai_t2", 100),
        ("glucose_hall", 57),
        ("glucose_colas", 208),
    ],
)
def test_real_cohorts(name: str, people: int) -> None:
    cases = load(name, allow_unverified=True)
    assert len(set(cases.patient)) == people
    assert 39 <= cases.x.min() < cases.x.max() <= 600
