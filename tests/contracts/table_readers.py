"""Readers of tables: clinical tables in every format, and those of known data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from cases.clinical.test_arff import GOOD as ARFF
from cases.clinical.test_heart_disease import ROWS as HEART
from cases.clinical.test_parquet import write as write_parquet
from contracts.reader import VOUCHED, Reader, numbers_in, text_of
from metadx.cases import Cases, read_table, read_thyroid
from metadx.cases.clinical import HOSPITALS, read_arff, read_heart_disease, read_parquet
from metadx.cases.openml import load_openml
from metadx.cases.thyroid import LABS

TABLE = """label,patient,site,time,age,sex,tsh,ft4
hypo,p01,north,2024-01-09,61,F,48.0,5.1
hypo,p02,north,2024-02-11,54,F,31.5,
hyper,p02,south,2024-03-20,54,F,22.0,7.9
hyper,p03,south,2024-01-30,38,M,0.01,41.2
"""
DESCRIBED = """<oml:data_set_description xmlns:oml="http://openml.org/openml">
  <oml:id>100</oml:id><oml:name>tumours</oml:name><oml:version>2</oml:version><oml:status>active</oml:status>
  <oml:licence>CC0</oml:licence><oml:default_target_attribute>class</oml:default_target_attribute>
  <oml:ignore_attribute>grade</oml:ignore_attribute><oml:md5_checksum>{md5}</oml:md5_checksum>
</oml:data_set_description>
"""


def thyroid_text() -> str:
    """A few patients in the layout of thyroid0387."""
    header = ["age", "sex", *LABS, *(f"{lab}_measured" for lab in LABS), "target", "patient_id"]
    rows = [
        ["29", "F", "1.3", "2.5", "125", "1.1", "114", "", *["t"] * 5, "f", "-", "1"],
        ["455", "M", "", "2", "101", "0.9", "112", "", *["f"] * 6, "F", "2"],
        ["71", "F", "9.5", "", "61", "1", "61", "26", *["t"] * 6, "GK", "3"],
    ]
    return "\n".join(",".join(row) for row in [header, *rows]) + "\n"


def hospitals(folder: Path) -> Sequence[Path]:
    """Two patients of each of the four hospitals."""
    files = [folder / f"processed.{hospital}.data" for hospital in HOSPITALS]
    for file in files:
        file.write_text(HEART)
    return files


def openml(folder: Path) -> Sequence[Path]:
    """A data set in the cache of the package `openml`, as it lies below the folder of its server."""
    place = folder / "datasets" / "100"
    place.mkdir(parents=True, exist_ok=True)
    (place / "dataset.arff").write_bytes(ARFF.encode())
    described = DESCRIBED.format(md5=hashlib.md5(ARFF.encode()).hexdigest())
    (place / "description.xml").write_text(described, encoding="utf-8")
    return [place / "dataset.arff", place / "description.xml"]


def _load_openml(folder: Path) -> Cases:
    with mock.patch("metadx.cases.openml.cache.folder", return_value=folder):
        return load_openml("openml:100", patients=VOUCHED)


TABLES = (
    Reader(
        "table",
        text_of("t.csv", TABLE),
        lambda f: read_table(f / "t.csv", patients=VOUCHED),
        gaps=True,
        said=numbers_in("t.csv"),
    ),
    Reader(
        "ARFF",
        text_of("t.arff", ARFF),
        lambda f: read_arff(f / "t.arff", patient="who"),
        gaps=True,
        said=numbers_in("t.arff"),
    ),
    Reader("Parquet", lambda f: [write_parquet(f)], lambda f: read_parquet(f / "table.parquet"), gaps=True),
    Reader("OpenML", openml, _load_openml, gaps=True, said=numbers_in("datasets/100/*.arff")),
    Reader(
        "thyroid",
        text_of("t.csv", thyroid_text()),
        lambda f: read_thyroid(f / "t.csv"),
        gaps=True,
        said=numbers_in("t.csv"),
    ),
    Reader("heart disease", hospitals, read_heart_disease, gaps=True, said=numbers_in("processed.*.data")),
)
