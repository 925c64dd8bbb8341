"""Reading the heart disease data of four hospitals, in UCI's processed files."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.clinical.arff import Attribute
from metadx.cases.clinical.attributes import encode_attributes
from metadx.cases.columns import numbers
from metadx.cases.textfile import text_lines
from metadx.errors import UserError

HOSPITALS = {
    "cleveland": "Cleveland Clinic Foundation",
    "hungarian": "Hungarian Institute of Cardiology, Budapest",
    "switzerland": "University Hospitals Zurich and Basel",
    "va": "V.A. Medical Center, Long Beach",
}
"""What the name of each file stands for (heart-disease.names)."""

CODES = {
    "sex": {0: "F", 1: "M"},
    "chest pain": {1: "typical angina", 2: "atypical angina", 3: "non-anginal", 4: "asymptomatic"},
    "resting ECG": {0: "normal", 1: "ST-T abnormality", 2: "left ventricular hypertrophy"},
    "ST slope": {1: "up", 2: "flat", 3: "down"},
    "thallium scan": {3: "normal", 6: "fixed defect", 7: "reversible defect"},
}
"""What the numbers of the nominal columns stand for."""

COLUMNS = (
    "age",
    "sex",
    "chest pain",
    "resting blood pressure",
    "cholesterol",
    "fasting sugar above 120",
    "resting ECG",
    "maximal heart rate",
    "exercise angina",
    "ST depression",
    "ST slope",
    "vessels coloured",
    "thallium scan",
    "num",
)
"""The columns, in the order of the files: years, mm Hg, mg/dL, beats per minute, mm."""

_NEVER_ZERO = ("resting blood pressure", "cholesterol")
_GRADES = (0, 1, 2, 3, 4)


def read_heart_disease(folder: str | Path) -> Cases:
    """920 patients of four hospitals, "no disease" or "disease" (a vessel narrowed by half), `site` the hospital.

    Empty cells and `?` are missing, and so are a blood pressure or cholesterol of 0, which all of Switzerland's
    patients have. The grade of disease, 1 to 4, is not kept: the hospitals did not use it alike.

    Args:
        folder: of `processed.{cleveland,hungarian,switzerland,va}.data`.

    Raises:
        UserError: a file is absent, or not this table; says which row.

    Source: Janosi, Steinbrunn, Pfisterer, Detrano, Heart Disease, UCI Machine Learning Repository 1988,
    doi:10.24432/C52P4X.
    """
    place = Path(folder)
    rows: list[list[str]] = []
    patient: list[str] = []
    site: list[str] = []
    digest = hashlib.sha256()
    for hospital in HOSPITALS:
        file = place / f"processed.{hospital}.data"
        found = _rows(file)
        rows += found
        patient += [f"{hospital} {number}" for number in range(1, len(found) + 1)]
        site += [hospital] * len(found)
        digest.update(file.read_bytes())
    cells = np.asarray(rows, dtype=object)
    columns = {name: cells[:, at] for at, name in enumerate(COLUMNS)}
    grade = columns.pop("num")
    kinds = [Attribute(name, "nominal" if name in CODES else "numeric") for name in columns]
    spelt = [_words(cells, name, place) if name in CODES else cells for name, cells in columns.items()]
    x, features, done = encode_attributes(
        [k._replace(levels=tuple(CODES[k.name].values())) if k.name in CODES else k for k in kinds],
        spelt,
        str(place),
    )
    zeros = []
    for name in _NEVER_ZERO:
        at = features.index(name)
        zero = x[:, at] == 0
        x[zero, at] = np.nan
        zeros.append(f"{int(zero.sum())} values 0 of {name} made missing")
    return Cases(
        x=x,
        y=_diseased(grade, place),
        patient=np.asarray(patient, dtype=np.str_),
        classes=("no disease", "disease"),
        modality="table",
        provenance=Provenance(
            source=f"UCI Heart Disease, {place}",
            licence="CC BY 4.0",
            checksum=f"sha256:{digest.hexdigest()}",
            preprocessing=(*done, *zeros, "grades 1 to 4 of disease taken together"),
            notes=(
                "Hospitals differ in how many are ill and in what they measured: test on whole hospitals.",
            ),
        ),
        site=np.asarray(site, dtype=np.str_),
        features=features,
    )


def _rows(path: Path) -> list[list[str]]:
    try:
        with text_lines(path) as lines:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, strict=True) if row]
    except csv.Error as why:
        raise UserError(f"{path}: not a sound table ({why}). Get the file again.") from why
    if not rows:
        raise UserError(f"{path}: no rows. Get the file again.")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(COLUMNS):
            raise UserError(
                f"{path}: row {number} has {len(row)} values, not {len(COLUMNS)}. Get the file again."
            )
    return rows


def _words(cells: NDArray[np.object_], name: str, folder: Path) -> NDArray[np.object_]:
    """Codes as the words they stand for, None where missing."""
    value = numbers(cells, f"{folder}: column '{name}'")
    strange = np.flatnonzero(~np.isnan(value) & ~np.isin(value, list(CODES[name])))
    if len(strange):
        raise UserError(
            f"{folder}: column '{name}' says {cells[strange[0]]!r}, known are {sorted(CODES[name])}. Mend it."
        )
    return np.asarray([None if np.isnan(v) else CODES[name][int(v)] for v in value], dtype=object)


def _diseased(cells: NDArray[np.object_], folder: Path) -> NDArray[np.int64]:
    grade = numbers(cells, f"{folder}: column 'num'")
    if not np.isin(grade, _GRADES).all():
        raise UserError(
            f"{folder}: column 'num', the grade of disease, must be 0 to 4 in every row. Mend it."
        )
    diseased = (grade > 0).astype(np.int64)
    if len(np.unique(diseased)) < 2:
        raise UserError(f"{folder}: every patient has the same label. Use the files of all four hospitals.")
    return diseased
