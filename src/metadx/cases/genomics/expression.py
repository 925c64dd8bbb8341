"""Reading gene expression: the tables of the de Souto benchmark, and CSVs of either orientation."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import MISSING
from metadx.cases.genomics.genes import Duplicates, unique_genes
from metadx.cases.genomics.scale import describe_scale
from metadx.cases.labels import number_classes
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.textfile import sha256_of, short_text, text_lines
from metadx.errors import UserError

Orientation = Literal["samples in rows", "genes in rows"]

MAX_VALUES = 200_000_000
"""Values (samples times genes) that are read at most: 1.6 GB."""

ROLES = ("label", "patient", "site")
"""Rows or columns that are no genes."""

_CORNERS = frozenset(("", "gene", "genes", "sample", "samples", "name", "id", "probe", "symbol"))
_NO_LABEL = (
    "There is no 'label' in the header or as a row: add the diagnosis of each sample as a column (samples in rows) "
    "or a row (genes in rows) called 'label'."
)
_IN_HEADER = "classes in the header"
_STUDY = re.compile(r"^(?P<study>[\w-]+)_database\.txt(?:\.gz)?$")


@dataclass
class _Table:
    """What a file holds, in its own orientation: `lines` are its rows, `across` its columns."""

    across: list[str]
    lines: list[str] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    roles: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def read_expression(
    path: str | Path,
    *,
    orientation: Orientation | None = None,
    patients: str | None = None,
    logged: bool | None = None,
    duplicates: Duplicates | None = None,
) -> Cases:
    """Cases from a table of gene expression, comma or tab-separated, plain or gzipped.

    Samples are rows, with columns `label`, `patient` and perhaps `site` beside the genes; or genes are rows, with
    rows of those names. A first column called `sample`, `gene` or nothing holds names. A table whose corner is
    `GENES`, as in the benchmark of de Souto, has the labels in its header instead. Values stay as they are; their
    scale is recorded in `provenance.preprocessing`.

    Args:
        path: the table.
        orientation: which way round it is; found out and recorded by default.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for a table that does not name patients.
        logged: whether the values are logarithms; found from the values by default.
        duplicates: what to do with a gene that comes twice: "refuse", "mean" of its values, or "number", which
            calls the second `gene (2)`. By default refused, but numbered in de Souto's tables: rows are probes.

    Raises:
        UserError: the file, its orientation, a gene, a label, a patient or a value cannot be used; one class.

    References:
        de Souto et al., Clustering cancer gene expression data, BMC Bioinformatics 2008,
        doi:10.1186/1471-2105-9-497.
    """
    file = Path(path)
    with text_lines(file) as lines:
        way, found, table = _read(_rows(lines, file), orientation, file)
    x = _stacked(table.values, file)
    genes, samples = table.across, table.lines
    if way == "genes in rows":
        x, genes, samples = np.ascontiguousarray(x.T), samples, genes
    usual: Duplicates = "number" if found == _IN_HEADER else "refuse"
    x, genes, done = unique_genes(x, genes, duplicates or usual, file)
    label, classes = number_classes(_role(table, "label", way, file).tolist(), str(file))
    notes: tuple[str, ...] = ()
    if "patient" in table.roles:
        patient = _role(table, "patient", way, file)
    else:
        mend = f"There is no {'column' if way == 'samples in rows' else 'row'} 'patient': add one"
        patient, notes = vouched(patients, len(x), str(file), otherwise=mend), (VOUCHED,)
    return Cases(
        x=x,
        y=label,
        patient=patient,
        classes=classes,
        modality="genomics",
        provenance=Provenance(
            source=str(file),
            checksum=sha256_of(file),
            preprocessing=(f"{way} ({found})", *describe_scale(x, logged), *done),
            notes=notes,
        ),
        site=_role(table, "site", way, file) if "site" in table.roles else None,
        features=tuple(genes),
        name=short_text(samples, f"{file}: names of samples"),
    )


def read_studies(folder: str | Path, *, patients: str | None = None) -> dict[str, Cases]:
    """Every study `<name>_database.txt[.gz]` of a folder, by name: studies measure different genes.

    Args:
        folder: of the benchmark's tables.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`.

    Raises:
        UserError: no folder, no studies in it, or whatever `read_expression` refuses.
    """
    place = Path(folder)
    found = {
        match["study"]: path
        for path in (sorted(place.iterdir()) if place.is_dir() else ())
        if (match := _STUDY.match(path.name))
    }
    if not found:
        raise UserError(
            f"{place}: no studies. Give the folder of files such as golub-1999-v2_database.txt.gz."
        )
    return {study: read_expression(path, patients=patients) for study, path in found.items()}


def _read(
    rows: Iterator[list[str]], orientation: Orientation | None, path: Path
) -> tuple[Orientation, str, _Table]:
    """Which way round the table is, how that is known, and what it holds."""
    header = next(rows, None)
    if header is None:
        raise UserError(f"{path}: the file is empty. Give a header and one row per gene or sample.")
    if header[0] == "GENES" and "label" not in header:
        if orientation == "samples in rows":
            raise UserError(f"{path}: the corner says GENES, so genes are in rows. Leave orientation out.")
        return "genes in rows", _IN_HEADER, _genes_in_rows(header, rows, True, path)
    way = orientation or ("samples in rows" if "label" in header else "genes in rows")
    found = "found by where 'label' stands" if orientation is None else "said by the caller"
    if way == "samples in rows":
        return way, found, _samples_in_rows(header, rows, path)
    return way, found, _genes_in_rows(header, rows, False, path)


def _rows(lines: Iterator[str], path: Path) -> Iterator[list[str]]:
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    delimiter = "\t" if first.count("\t") > first.count(",") else ","
    try:
        yield [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter, strict=True))]
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            if any(row):
                yield row
    except csv.Error as why:
        raise UserError(f"{path}: not a sound table ({why}). Mend the quotes, or save it again.") from why


def _samples_in_rows(header: list[str], rows: Iterator[list[str]], path: Path) -> _Table:
    if "label" not in header:
        raise UserError(f"{path}: no column 'label' in the header, though samples are in rows. Add one.")
    roles = [name for name in ROLES if name in header]
    if len(set(header)) < len(header) and any(header.count(name) > 1 for name in roles):
        raise UserError(f"{path}: two columns 'label', 'patient' or 'site'. Remove one.")
    corner = header[0].lower() in _CORNERS
    aside = {header.index(name) for name in roles} | ({0} if corner else set())
    genes = [at for at in range(len(header)) if at not in aside]
    table = _Table(across=[header[at] for at in genes], roles={name: [] for name in roles})
    _check_names(table.across, "gene", path)
    where = {name: header.index(name) for name in roles}
    for number, row in enumerate(rows, start=1):
        _check_width(row, header, number, len(genes), path)
        sample = row[0].strip() if corner else f"row {number}"
        if corner and sample == "label":
            raise UserError(f"{path}: 'label' heads a column and a row. Say orientation=..., or rename one.")
        table.lines.append(sample)
        for name, at in where.items():
            table.roles[name].append(row[at].strip())
        table.values.append(_numbers([row[at] for at in genes], table.across, f"sample '{sample}'", path))
    return table


def _genes_in_rows(header: list[str], rows: Iterator[list[str]], ready: bool, path: Path) -> _Table:
    samples = [f"sample {number}" for number in range(1, len(header))] if ready else header[1:]
    table = _Table(across=samples, roles={"label": header[1:]} if ready else {})
    _check_names(samples, "sample", path)
    for number, row in enumerate(rows, start=1):
        _check_width(row, header, number, len(samples), path)
        name = row[0].strip()
        if name in ROLES and not ready:
            if name in table.roles:
                raise UserError(f"{path}: two rows are named '{name}'. Remove one.")
            table.roles[name] = [cell.strip() for cell in row[1:]]
            continue
        table.lines.append(name)
        try:
            table.values.append(_numbers(row[1:], samples, f"gene '{name}'", path))
        except UserError as why:
            if "label" in table.roles:
                raise
            raise UserError(f"{why} Or is it samples in rows? {_NO_LABEL}") from None
    if "label" not in table.roles:
        raise UserError(f"{path}: {_NO_LABEL}")
    _check_names(table.lines, "gene", path)
    return table


def _check_width(row: list[str], header: list[str], number: int, width: int, path: Path) -> None:
    if len(row) != len(header):
        raise UserError(
            f"{path}: row {number} has {len(row)} cells, the header {len(header)}. Mend that row."
        )
    if number * width > MAX_VALUES:
        raise UserError(f"{path}: more than {MAX_VALUES:,} values. Keep fewer genes or samples.")


def _check_names(names: Sequence[str], what: str, path: Path) -> None:
    if not names:
        raise UserError(f"{path}: no {what}s. Give a table of samples and genes.")
    if "" in names:
        raise UserError(f"{path}: {what} {list(names).index('') + 1} has no name. Name it or remove it.")


def _numbers(cells: list[str], names: Sequence[str], what: str, path: Path) -> NDArray[np.float64]:
    try:
        values = np.asarray([float(cell) for cell in cells])
        if np.isfinite(values).all() and not any("_" in cell for cell in cells):
            return values
    except ValueError:
        pass
    return np.asarray(
        [_number(cell, f"{path}: {what}, '{name}'") for cell, name in zip(cells, names, strict=True)]
    )


def _number(cell: str, what: str) -> float:
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        value = float("x" if "_" in text else text)
    except ValueError:
        raise UserError(f"{what}: '{text[:40]}' is not a number. Write a number or leave it empty.") from None
    if not np.isfinite(value):
        raise UserError(f"{what}: '{text[:40]}' is infinite. Write a number or leave it empty.")
    return value


def _stacked(values: list[NDArray[np.float64]], path: Path) -> NDArray[np.float64]:
    if not values:
        raise UserError(f"{path}: no values below the header. Give one row per gene or sample.")
    return np.stack(values)


def _role(table: _Table, name: str, way: Orientation, path: Path) -> NDArray[np.str_]:
    cells = table.roles[name]
    missing = next((at for at, cell in enumerate(cells) if cell.lower() in MISSING), None)
    if missing is not None:
        side = "row" if way == "samples in rows" else "column"
        raise UserError(
            f"{path}: '{name}' is missing in {side} {missing + 1}. Fill it in or leave that sample out."
        )
    return short_text(cells, f"{path}: '{name}'")
