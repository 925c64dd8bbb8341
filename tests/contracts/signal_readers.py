"""Readers of time series: heartbeats, glucose, stays, visits, recordings as text."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from cases.signals.test_beats import write_record
from cases.signals.test_glucose import HEAD, rows
from cases.signals.test_icu import folder as write_stays
from cases.signals.test_series import folder as write_recordings
from contracts.reader import VOUCHED, Reader, numbers_in, text_of
from metadx.cases import Cases
from metadx.cases.signals import read_beats, read_glucose, read_icu, read_series, read_ucr, read_visits

UCR = "1\t0.5\t-2.25\t3.125\n2\t7\t8.5\t-9\n1\t0.25\t1\t2\n"
SERIES = (
    "patient,time,label,hr [1/min],rr\np1,0,a,60,\np1,1,a,62,12\np1,3,a,64,13\np2,0,b,70,14\np2,2,b,72,15\n"
)
VISITS = "who,day,voice,other,score\nb,0.2,1,9,10\nb,0.7,3,9,12\nb,7.1,,9,20\na,-0.5,5,9,1\na,3,6,9,2\n"
GLUCOSE = HEAD + "".join(rows(40))
LIVING = (10, 1000)
"""mg/dL between which a person can be alive."""


def recording(folder: Path) -> Sequence[Path]:
    """A WFDB record: header, samples and annotations."""
    record = write_record(folder, "a", "NVA")
    return [record.with_suffix(suffix) for suffix in (".hea", ".dat", ".atr")]


def stays(folder: Path) -> Sequence[Path]:
    """Two stays in an archive, and what became of them."""
    outcomes = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n1,6,1,5,-1,0\n2,1,1,1,3,1\n"
    (folder / "Outcomes-a.txt").write_text(outcomes)
    with tarfile.open(folder / "set-a.tar.gz", "w:gz") as out:
        for record in (1, 2):
            lines = f"00:00,RecordID,{record}\n00:00,Age,54\n00:00,ICUType,{record}\n01:30,HR,80\n"
            content = ("Time,Parameter,Value\n" + lines).encode()
            info = tarfile.TarInfo(f"set-a/{record}.txt")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return [folder / "Outcomes-a.txt", folder / "set-a.tar.gz"]


def _read_visits(folder: Path) -> Cases:
    return read_visits(folder / "v.csv", patient="who", time="day", target="score", leave_out=["other"])


SIGNALS = (
    Reader("heartbeats", recording, read_beats),
    Reader("glucose", text_of("a.csv", GLUCOSE), read_glucose, within=LIVING),
    Reader("glucose, gzipped", text_of("a.csv.gz", GLUCOSE), read_glucose, exact=True),
    Reader("stays", stays, read_icu, gaps=True),
    Reader(
        "stays, folder",
        lambda f: sorted(write_stays(f).rglob("*.txt")),
        lambda f: read_icu(f / "stays"),
        gaps=True,
    ),
    Reader("visits", text_of("v.csv", VISITS), _read_visits, gaps=True),
    Reader(
        "UCR",
        text_of("A_TRAIN.tsv", UCR),
        lambda f: read_ucr(f, patients=VOUCHED),
        gaps=True,
        said=numbers_in("A_TRAIN.tsv"),
    ),
    Reader(
        "series",
        text_of("s.csv", SERIES),
        lambda f: read_series(f / "s.csv", step=1, duration=4),
        gaps=True,
    ),
    Reader(
        "series, folder",
        lambda f: sorted(write_recordings(f).glob("*.csv")),
        lambda f: read_series(f / "recordings", step=1, duration=3, how="line"),
        gaps=True,
    ),
)
