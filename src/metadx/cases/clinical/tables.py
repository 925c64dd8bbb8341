"""Reading clinical tables in ARFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.clinical.arff import Arff, parse_arff
from metadx.cases.clinical.attributes import encode_attributes
from metadx.cases.columns import numbers
from metadx.cases.labels import used_classes
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.textfile import sha256_of, short_text
from metadx.errors import UserError, nearest


def read_arff(
    path: str | Path,
    *,
    label: str | None = None,
    patient: str | None = None,
    site: str | None = None,
    drop: Sequence[str] = (),
    conditions: Mapping[str, str] | None = None,
    patients: str | None = None,
) -> Cases:
    """Cases from an ARFF table: a nominal `label` makes conditions, a numeric one makes it regression.

    Args:
        path: the file.
        label: the attribute that is to be diagnosed; the one called `class` by default.
        patient: the attribute that says whose case it is.
        site: the attribute that says where it was observed.
        drop: attributes to leave out, such as row numbers.
        conditions: what values of the label stand for, where the file has only numbers for them.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for a table without a patient attribute.

    Raises:
        UserError: the file, an attribute, a label, a patient or a value cannot be used; one class.
    """
    file = Path(path)
    table = parse_arff(file)
    known = [attribute.name for attribute in table.attributes]
    outcome = label or next((name for name in known if name.lower() == "class"), "class")
    for name in (outcome, *(n for n in (patient, site) if n), *drop):
        if name not in known:
            raise UserError(
                f"{file}: no attribute '{name[:60]}'; {nearest(name, known)}. Name the right one."
            )
    y, classes = _outcome(table, outcome, file)
    classes = tuple((conditions or {}).get(name, name) for name in classes)
    notes: tuple[str, ...] = ()
    if patient:
        whose = short_text(_filled(table, patient, file).tolist(), f"{file}: attribute '{patient}'")
    else:
        whose = vouched(patients, len(y), str(file), otherwise="Name the attribute with patient='...'")
        notes = (VOUCHED,)
    aside = {outcome, patient, site, *drop}
    kept = [at for at, name in enumerate(known) if name not in aside]
    x, features, done = encode_attributes(
        [table.attributes[at] for at in kept], [table.columns[at] for at in kept], str(file)
    )
    left = (f"left out: {', '.join(drop)}",) if drop else ()
    return Cases(
        x=x,
        y=y,
        patient=whose,
        classes=classes,
        modality="table",
        provenance=Provenance(
            source=str(file), checksum=sha256_of(file), preprocessing=(*done, *left), notes=notes
        ),
        site=short_text(_filled(table, site, file).tolist(), f"{file}: attribute '{site}'") if site else None,
        features=features,
    )


def _outcome(table: Arff, label: str, path: Path) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    attribute = next(attribute for attribute in table.attributes if attribute.name == label)
    cells = _filled(table, label, path)
    if attribute.kind == "numeric":
        return numbers(cells, f"{path}: attribute '{label}'"), ()
    if attribute.kind != "nominal":
        raise UserError(f"{path}: the label '{label}' is a {attribute.kind}. Declare its values: {{a, b}}.")
    place = {level: at for at, level in enumerate(attribute.levels)}
    index = np.asarray([place[cell] for cell in cells], dtype=np.int64)
    return used_classes(index, attribute.levels, str(path))


def _filled(table: Arff, name: str, path: Path) -> NDArray[np.object_]:
    cells = table.column(name)
    missing = [at for at, cell in enumerate(cells) if cell is None or not str(cell).strip()]
    if missing:
        raise UserError(
            f"{path}: attribute '{name}' is missing in row {missing[0] + 1} ({len(missing)} rows in all). "
            "Fill it in or leave those cases out."
        )
    return cells
