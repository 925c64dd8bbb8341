"""Reading saturation genome editing: every change at every position of a gene, and what it did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import encode, is_missing, numbers
from metadx.cases.genomics.alleles import ALLELE_FEATURES, Allele, allele_features
from metadx.cases.labels import number_classes
from metadx.cases.tables import parse_table
from metadx.cases.textfile import sha256_of, short_text
from metadx.errors import UserError, nearest

_CHANGE = re.compile(r"^(?:[cg]\.)?[-*\d+]*(?P<old>[ACGT]+)>(?P<new>[ACGT]+)$", re.IGNORECASE)


def read_saturation(
    path: str | Path,
    *,
    gene: str,
    position: str = "position",
    change: str = "change",
    label: str = "class",
    features: Sequence[str] = (),
    chromosome: str = "",
) -> Cases:
    """Variants of one gene from a CSV, one per row, with the class of function that an experiment gave each.

    The score of the experiment is what the class was made from, so no column is a feature unless it is named.

    Args:
        path: the table: UTF-8, comma-separated, with a header line.
        gene: whose variants they are, such as "BRCA1"; `group` of every case.
        position: the column of positions, whole numbers.
        change: the column of changes, such as "A>G" or "c.-19A>G".
        label: the column of classes, such as FUNC, INT and LOF.
        features: columns to add as features, such as a conservation score.
        chromosome: where the gene lies, for the variants' names; the gene's symbol by default.

    Raises:
        UserError: the file, a column or a value cannot be used; one class.
    """
    file = Path(path)
    columns = parse_table(file)
    for name in (position, change, label, *features):
        if name not in columns:
            raise UserError(f"{file}: no column '{name}'; {nearest(name, columns)}. Name the right one.")
    if label in features:
        raise UserError(f"{file}: '{label}' is the label and a feature. Leave it out of features.")
    for name in (position, change, label):
        missing = np.flatnonzero(is_missing(columns[name]))
        if len(missing):
            raise UserError(
                f"{file}: column '{name}' is missing in row {missing[0] + 1}. Leave that row out."
            )
    place = numbers(columns[position], f"{file}: column '{position}'")
    if (place != np.round(place)).any() or (np.abs(place) > 1e10).any():
        raise UserError(f"{file}: column '{position}' holds fractions or huge numbers. Give positions.")
    alleles = []
    for row, (at, text) in enumerate(zip(place, columns[change], strict=True), start=1):
        match = _CHANGE.match(str(text))
        if match is None:
            raise UserError(
                f"{file}: row {row}: '{str(text)[:40]}' is no change of bases such as A>G. Mend it or leave it out."
            )
        alleles.append(Allele(chromosome or gene, int(at), match["old"].upper(), match["new"].upper()))
    y, classes = number_classes(
        short_text(columns[label].tolist(), f"{file}: column '{label}'").tolist(), str(file)
    )
    x = np.asarray([allele_features(allele.reference, allele.alternative) for allele in alleles])
    changed = [[float(allele.alternative == base) for base in "ACGT"] for allele in alleles]
    names = (*ALLELE_FEATURES, "position", *(f"changed to {base}" for base in "ACGT"))
    x = np.column_stack([x, place, np.asarray(changed)])
    done: tuple[str, ...] = ()
    if features:
        more, made, done = encode({name: columns[name] for name in features}, str(file))
        x, names = np.column_stack([x, more]), (*names, *made)
    return Cases(
        x=x,
        y=y,
        patient=short_text([allele.place for allele in alleles], f"{file}: chromosome"),
        classes=classes,
        modality="genomics",
        provenance=Provenance(
            source=str(file),
            checksum=sha256_of(file),
            preprocessing=(*done, "scores of the experiment left out unless named"),
        ),
        features=names,
        name=short_text([allele.name for allele in alleles], f"{file}: chromosome"),
        group=np.full(len(x), gene),
    )
