"""Reading single cells and expression from AnnData files: .h5ad, .zarr, and zipped .zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metadx.cases.cases import Cases, Provenance
from metadx.cases.genomics.apart import obs_apart, read_apart
from metadx.cases.genomics.container import is_hdf5
from metadx.cases.genomics.genes import Duplicates, unique_genes
from metadx.cases.genomics.parts import obs_cells, read_parts
from metadx.cases.labels import number_classes
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.textfile import sha256_of
from metadx.errors import UserError


def read_anndata(
    path: str | Path,
    *,
    label: str,
    patient: str | None = None,
    site: str | None = None,
    layer: str | None = None,
    patients: str | None = None,
    duplicates: Duplicates = "refuse",
) -> Cases:
    """Cases from an AnnData file: one per cell (or sample), its features the genes.

    Needs `pip install 'metadx[genomics]'`. Only the parts that are asked for are read; sparse values become dense.
    What the values are, and where raw counts lie, is recorded in `provenance.preprocessing`.

    Args:
        path: a `.h5ad` file, a `.zarr` folder, or such a folder in a `.zip`.
        label: the column of `obs` that is to be diagnosed, such as "cell_type".
        patient: the column of `obs` that says whose cell it is, such as "donor_id".
        site: the column of `obs` that says where it was observed.
        layer: the layer to read, such as "counts", or "raw" for `.raw`; `X` by default.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for samples of which no column says whose they are.
        duplicates: what to do with a gene that comes twice, as in `read_expression`.

    Raises:
        UserError: anndata is not installed; the file, a column, a label, a patient or a value cannot be used; one
            class.
    """
    file = Path(path)
    obs = tuple(dict.fromkeys(name for name in (label, patient, site) if name))
    parts = read_apart(file, obs, layer) if is_hdf5(file) else read_parts(file, obs, layer)
    x, genes, text, where = parts.x, list(parts.genes), dict(zip(obs, parts.text, strict=True)), parts.where
    wrong = np.argwhere(np.isinf(x))
    if len(wrong):
        raise UserError(
            f"{file}: {where} is infinite in {len(wrong)} places (first: gene '{genes[wrong[0][1]]}'). Mend it."
        )
    x, genes, merged = unique_genes(x, genes, duplicates, file)
    y, classes = number_classes(text[label].tolist(), str(file))
    notes: tuple[str, ...] = ()
    if patient:
        whose = text[patient]
    else:
        mend = "Name the column of obs with patient='...'"
        whose, notes = vouched(patients, len(x), str(file), otherwise=mend), (VOUCHED,)
    return Cases(
        x=x,
        y=y,
        patient=whose,
        classes=classes,
        modality="genomics",
        provenance=Provenance(
            source=str(file),
            checksum=sha256_of(file) if file.is_file() else "",
            preprocessing=(*parts.done, *merged),
            notes=notes,
        ),
        site=text[site] if site else None,
        features=tuple(genes),
    )


def read_obs(path: str | Path) -> dict[str, list[str]]:
    """The columns of `obs` as text, "" where a cell is missing; needs `pip install 'metadx[genomics]'`.

    Raises:
        UserError: as `read_anndata`.
    """
    file = Path(path)
    return obs_apart(file) if is_hdf5(file) else obs_cells(file)
