"""Reading whatever lies at a path: what kind of data it is, and what its parts mean, is found out and said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from metadx.cases.cases import Cases
from metadx.cases.kinds import is_picture
from metadx.cases.own.cells import is_table, read_cells
from metadx.cases.own.choice import Choice
from metadx.cases.own.folder import read_folder
from metadx.cases.own.molecules import (
    clinvar,
    is_container,
    is_expression,
    is_vcf,
    read_container,
    read_profiles,
    read_variants,
)
from metadx.cases.own.pictures import Pictures, read_archive, read_manifest
from metadx.cases.own.roles import Asked, find_roles
from metadx.cases.own.series import visits
from metadx.cases.own.table import table_cases
from metadx.errors import UserError

Kind = Literal["table", "pictures", "beats", "signals", "glucose", "visits", "expression", "variants"]


@dataclass(frozen=True)
class Own:
    """Data of one's own.

    Args:
        cases: what was read.
        kind: of data.
        choices: what was found out, in sentences.
    """

    cases: Cases
    kind: Kind
    choices: tuple[Choice, ...]


def read_own(path: str | Path, asked: Asked | None = None, pictures: Pictures | None = None) -> Own:
    """The cases of a file or folder of any kind that metadx reads.

    Args:
        path: a table (CSV, TSV, ARFF, Parquet), a manifest or class folders of pictures (PNG, JPEG, TIFF, DICOM,
            NIfTI), a MedMNIST archive, a folder of WFDB recordings or of glucose readings, a table of visits,
            expression (CSV, h5ad, zarr) or variants (VCF, a table with genes).
        asked: the columns whose meaning is known.
        pictures: how pictures are read.

    Raises:
        UserError: there is no such path, it is of no such kind, or whatever its reader refuses.
    """
    place = Path(path)
    asked, pictures = asked or Asked(), pictures or Pictures()
    if not place.exists():
        raise UserError(f"{place}: no such file or folder. Mend the path.")
    if is_container(place):
        return Own(*read_container(place, asked))
    if place.is_dir():
        return Own(*read_folder(place, asked, pictures, lambda file: _file(file, asked, pictures)))
    return _file(place, asked, pictures)


def _file(path: Path, asked: Asked, pictures: Pictures) -> Own:
    name = path.name.lower()
    if is_vcf(path):
        return Own(*read_variants(path, asked))
    if name.endswith(".npz"):
        return Own(*read_archive(path, asked.label))
    if name.endswith((".nii", ".nii.gz")) or (is_picture(path) and not is_table(path)):
        raise UserError(
            f"{path}: one picture is no data set. Give the folder that holds one folder of pictures per "
            "condition, or "
            "a CSV with a column 'path'."
        )
    if not is_table(path):
        raise UserError(
            f"{path}: not a kind of file that a study reads. Give a CSV, ARFF, Parquet, h5ad, VCF or .npz "
            "file, or a "
            "folder. A spreadsheet can be saved as CSV."
        )
    if is_expression(path):
        return Own(*read_profiles(path))
    return _table(path, asked, pictures)


def _table(path: Path, asked: Asked, pictures: Pictures) -> Own:
    cells = read_cells(path)
    known = clinvar(path, cells)
    if known is not None:
        return Own(*known)
    roles = find_roles(cells.columns, asked, str(path))
    if roles.path is not None:
        shown, _, said = read_manifest(path, cells, roles, pictures)
        return Own(shown, "pictures", (*cells.choices, *said))
    cases, more = table_cases(cells, roles, path, asked.drop)
    choices = (*cells.choices, *roles.choices, *more)
    if roles.value and roles.time is not None:
        cases, said = visits(cases, roles)
        return Own(cases, "visits", (*choices, *said))
    kind: Kind = "variants" if roles.group else "expression" if cases.modality == "genomics" else "table"
    return Own(cases, kind, choices)
