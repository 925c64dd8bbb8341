"""What the headers of a set of DICOM pictures tell of its cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.headers import DETAILS, header_notes, read_header
from metadx.cases.kinds import read_as_dicom


class Told(NamedTuple):
    """What headers tell, one value per case; None or empty where they do not tell it of every case.

    Args:
        patient: whose each case is; None too where all bear one id, which names nobody.
        time: day of each, as datetime64.
        details: study, series, modality, laterality and view, where any case has one; "" where it has none.
        notes: what every report must say of these files.
    """

    patient: NDArray[np.str_] | None = None
    time: NDArray[np.datetime64] | None = None
    details: Mapping[str, NDArray[np.str_]] = {}
    notes: tuple[str, ...] = ()


def told_by_headers(paths: Sequence[Path]) -> Told:
    """What the headers of pictures tell; nothing where they are not all DICOM.

    Raises:
        UserError: as `read_header`.
    """
    if not paths or not all(read_as_dicom(path) for path in paths):
        return Told()
    headers = [read_header(path) for path in paths]
    patient, date = [h.patient for h in headers], [h.date for h in headers]
    columns = {name: [getattr(h, name) for h in headers] for name in DETAILS}
    return Told(
        patient=np.asarray(patient, dtype=np.str_) if all(patient) and len(set(patient)) > 1 else None,
        time=np.asarray(date, dtype="datetime64[D]") if all(date) else None,
        details={name: np.asarray(column, dtype=np.str_) for name, column in columns.items() if any(column)},
        notes=header_notes(headers),
    )
