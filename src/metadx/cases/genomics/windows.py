"""Reading windows of DNA as one-hot sequences, such as the primate splice junctions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.clinical.arff import parse_arff
from metadx.cases.labels import used_classes
from metadx.cases.textfile import sha256_of, short_text
from metadx.errors import UserError, nearest

BASES = "ACGT"
"""The channels of a one-hot sequence, in order."""

AMBIGUOUS = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
"""The bases that each letter of IUPAC may stand for."""

_JUNCTIONS = {"EI": "donor (EI)", "IE": "acceptor (IE)", "N": "neither (N)"}


def one_hot(sequences: Sequence[str], source: str) -> NDArray[np.float32]:
    """Sequences of one length as shape (cases, 4, length): a 1 for the base, shares where the letter is ambiguous.

    Args:
        sequences: letters of IUPAC; U is T.
        source: what to name in an error.

    Raises:
        UserError: the lengths differ or are 0, or a letter is none of IUPAC's.
    """
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) != 1 or lengths == {0}:
        raise UserError(f"{source}: sequences of lengths {sorted(lengths)[:6]}. Cut them to one length.")
    letters = np.asarray([list(sequence.upper().replace("U", "T")) for sequence in sequences])
    windows = np.zeros((len(sequences), len(BASES), letters.shape[1]), dtype=np.float32)
    known = {**{base: base for base in BASES}, **AMBIGUOUS}
    for letter in np.unique(letters):
        if letter not in known:
            row, at = np.argwhere(letters == letter)[0]
            raise UserError(
                f"{source}: row {row + 1}, base {at + 1} is '{letter}', no letter of IUPAC such as A, C or N. "
                "Mend it."
            )
        for base in known[letter]:
            windows[:, BASES.index(base)][letters == letter] = 1 / len(known[letter])
    return windows


def read_windows(
    path: str | Path,
    *,
    label: str = "Class",
    name: str = "Instance_name",
    conditions: Mapping[str, str] = _JUNCTIONS,
) -> Cases:
    """Windows of DNA from an ARFF table of one base per attribute, shape (cases, 4, length).

    The name of a window would give it away (`HUMALPHA-DONOR-33`), so it is no feature; what stands before its first
    hyphen, the GenBank entry, is the patient: windows of one entry stay together. The entry's first three letters,
    GenBank's code of the species such as HUM, are kept as the detail `species`.

    Args:
        path: the table, such as UCI's splice.arff.
        label: the attribute that says what the window holds.
        name: the attribute that names it.
        conditions: what values of the label stand for.

    Raises:
        UserError: the file, an attribute, a base or a label cannot be used; one class.

    References:
        Towell, Noordewier, Shavlik, Molecular Biology (Splice-junction Gene Sequences), UCI 1991,
        doi:10.24432/C5M888.
    """
    file = Path(path)
    table = parse_arff(file)
    known = {attribute.name: attribute for attribute in table.attributes}
    for wanted in (label, name):
        if wanted not in known:
            raise UserError(f"{file}: no attribute '{wanted}'; {nearest(wanted, known)}. Name the right one.")
    bases = [at for at, attribute in enumerate(table.attributes) if attribute.name not in (label, name)]
    if not bases:
        raise UserError(f"{file}: no bases beside the label and the name. Give one attribute per base.")
    places, names, outcome = [table.columns[at] for at in bases], table.column(name), table.column(label)
    for what, cells in (
        *((table.attributes[at].name, table.columns[at]) for at in bases),
        (name, names),
        (label, outcome),
    ):
        missing = next((row for row, cell in enumerate(cells, start=1) if not cell), None)
        if missing is not None:
            raise UserError(f"{file}: attribute '{what}' is missing in row {missing}. Leave that window out.")
    wide = next(
        (at for at, cells in zip(bases, places, strict=True) if any(len(cell) != 1 for cell in cells)), None
    )
    if wide is not None:
        raise UserError(
            f"{file}: attribute '{table.attributes[wide].name}' holds no single letters. Leave it out."
        )
    levels = known[label].levels
    if not levels:
        raise UserError(f"{file}: the label '{label}' is not nominal. Declare its values: {{EI, IE, N}}.")
    index = np.asarray([levels.index(cell) for cell in outcome], dtype=np.int64)
    y, classes = used_classes(index, [conditions.get(level, level) for level in levels], str(file))
    entries = [str(cell).partition("-")[0] or str(cell) for cell in names]
    return Cases(
        x=one_hot(["".join(letters) for letters in zip(*places, strict=True)], str(file)),
        y=y,
        patient=short_text(entries, f"{file}: '{name}'"),
        classes=classes,
        modality="genomics",
        provenance=Provenance(
            source=str(file),
            checksum=sha256_of(file),
            preprocessing=(
                f"one channel per base, {BASES}; ambiguous letters are shared out",
                f"{name} left out",
            ),
        ),
        name=short_text(names.tolist(), f"{file}: attribute '{name}'"),
        details={"species": np.asarray([entry[:3] for entry in entries], dtype=np.str_)},
    )
