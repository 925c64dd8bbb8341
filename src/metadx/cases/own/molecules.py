"""Expression and variants of one's own: which column of `obs`, which INFO field, which way round, is found out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases
from metadx.cases.own.cells import Cells
from metadx.cases.own.choice import Choice
from metadx.cases.own.roles import Asked, find_roles
from metadx.cases.patients import ASSUMED, VOUCHED
from metadx.cases.textfile import text_lines
from metadx.errors import UserError

_LABEL_FIELDS = ("CLNSIG", "CLASS", "LABEL", "CLINSIG", "FUNC", "EFFECT")
_POSITIONS = "Variants at one position count as one: they are never on both sides of a split."
_TOLD_APART = {
    "Pathogenic": "pathogenic",
    "Likely_pathogenic": "pathogenic",
    "Pathogenic/Likely_pathogenic": "pathogenic",
    "Benign": "benign",
    "Likely_benign": "benign",
    "Benign/Likely_benign": "benign",
}


def is_container(path: Path) -> bool:
    """Whether a path is an AnnData file or folder."""
    name = path.name.lower()
    return name.endswith((".h5ad", ".zarr", ".zarr.zip")) and path.exists()


def is_vcf(path: Path) -> bool:
    """Whether a file is a VCF, by its name."""
    return path.name.lower().endswith((".vcf", ".vcf.gz", ".vcf.bgz"))


def is_expression(path: Path) -> bool:
    """Whether a table has genes in rows, or is one of the benchmark of de Souto, by its corner and first rows."""
    if path.name.lower().endswith((".arff", ".parquet", ".pq", ".zip")):
        return False
    first: list[str] = []
    with text_lines(path) as lines:
        for line in lines:
            if line.strip():
                first.append(
                    line.replace('"', "")
                    .split("\t" if line.count("\t") > line.count(",") else ",")[0]
                    .strip()
                )
            if len(first) == 6:
                break
    return bool(first) and (
        first[0].upper() == "GENES"
        or (first[0].lower() in ("gene", "symbol", "probe", "") and "label" in first[1:])
    )


def read_profiles(path: Path) -> tuple[Cases, Literal["expression"], tuple[Choice, ...]]:
    """Cases from a table of expression in which genes are rows."""
    from metadx.cases.genomics import read_expression

    cases = _assumed(read_expression(path, patients=EVERY_CASE_ITS_OWN_PATIENT))
    return cases, "expression", (_diagnosis(cases, "the row of labels"), _patients(cases), _scale(cases))


def read_container(path: Path, asked: Asked) -> tuple[Cases, Literal["expression"], tuple[Choice, ...]]:
    """Cases from an AnnData container; which columns of `obs` say diagnosis and patient is found out."""
    from metadx.cases.genomics import read_anndata, read_obs

    cells = {name: np.asarray(column, dtype=object) for name, column in read_obs(path).items()}
    roles = find_roles(cells, replace(asked, drop=()), f"{path}: obs")
    if roles.value:
        raise UserError(
            f"{path}: obs['{roles.label}'] is a value, not a condition. Name a column with --label."
        )
    cases = _assumed(
        read_anndata(
            path,
            label=roles.label,
            patient=roles.patient,
            site=roles.site,
            patients=None if roles.patient else EVERY_CASE_ITS_OWN_PATIENT,
            duplicates="number",
        )
    )
    return cases, "expression", (*roles.choices, _scale(cases))


def read_variants(path: Path, asked: Asked) -> tuple[Cases, Literal["variants"], tuple[Choice, ...]]:
    """Cases from a VCF; the INFO field that holds the class is found out."""
    from metadx.cases.genomics import parse_vcf, read_vcf

    vcf = parse_vcf(path)
    counts: dict[str, Counter[str]] = {}
    for record in vcf.records:
        for name, value in record.info.items():
            counts.setdefault(name, Counter())[value] += 1
    found = next((field for field in _LABEL_FIELDS if len(counts.get(field, ())) > 1), None)
    field_name = asked.label or found
    if field_name is None:
        raise UserError(
            f"{path}: no INFO field says the class of a variant (looked for {', '.join(_LABEL_FIELDS)}). Name "
            "the field "
            "with --label, or give a table with columns gene and label."
        )
    conditions = _TOLD_APART if field_name.upper() in ("CLNSIG", "CLINSIG") else None
    cases = read_vcf(path, label=field_name, conditions=conditions)
    cases = replace(cases, provenance=replace(cases.provenance, licence="your own data"))
    said = [_diagnosis(cases, f"the INFO field {field_name}")]
    if conditions:
        said.append(Choice("Left out", "Variants of uncertain or conflicting significance were left out."))
    said.append(
        Choice("Patients", "Variants at one position count as one: they are never on both sides of a split.")
    )
    return cases, "variants", tuple(said)


def clinvar(path: Path, cells: Cells) -> tuple[Cases, Literal["variants"], tuple[Choice, ...]] | None:
    """Cases of ClinVar's table of conflicting classifications, if it is that."""
    from metadx.cases.genomics.clinvar import NEEDED, read_clinvar_conflicting

    if not set(NEEDED) <= set(cells.columns):
        return None
    cases = read_clinvar_conflicting(path)
    said = _diagnosis(cases, "CLASS, as ClinVar's table of conflicting classifications has it,")
    return cases, "variants", (said, Choice("Patients", _POSITIONS))


def _assumed(cases: Cases) -> Cases:
    notes: Any = tuple(ASSUMED if note == VOUCHED else note for note in cases.provenance.notes)
    return replace(cases, provenance=replace(cases.provenance, licence="your own data", notes=notes))


def _diagnosis(cases: Cases, where: str) -> Choice:
    counts = sorted(cases.counts().items(), key=lambda pair: -pair[1])
    listed = ", ".join(f"{name} {count:,}" for name, count in counts[:6])
    return Choice("Diagnosis", f"{where[0].upper()}{where[1:]} tells {len(counts)} conditions: {listed}.")


def _patients(cases: Cases) -> Choice:
    if ASSUMED in cases.provenance.notes:
        return Choice(
            "Patients", "Nothing says whose a sample is: every sample is taken for a different patient."
        )
    return Choice("Patients", f"{len(np.unique(cases.patient)):,} patients, as the file says.")


def _scale(cases: Cases) -> Choice:
    return Choice("Read", "; ".join(cases.provenance.preprocessing[:3]) + ".")
