"""Readers of genomics: expression, single cells, variants, genotypes, sequence windows."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

from cases.genomics.test_anndata import cells
from cases.genomics.test_anndata import write as write_anndata
from cases.genomics.test_clinvar import GOOD as CLINVAR
from cases.genomics.test_expression import GENES, SAMPLES
from cases.genomics.test_saturation import GOOD as SATURATION
from cases.genomics.test_vcf import GOOD as VARIANTS
from cases.genomics.test_windows import GOOD as WINDOWS
from contracts.reader import VOUCHED, Reader, numbers_in, only, text_of
from metadx.cases import Cases
from metadx.cases.genomics import (
    read_anndata,
    read_clinvar_conflicting,
    read_expression,
    read_genotypes,
    read_saturation,
    read_studies,
    read_vcf,
    read_windows,
)

STUDY = 'GENES\tALL\tAML\tALL\n"1_at"\t10.0\t250.5\t10.0\n2_at\t10.0\t20.0\t30.0\n3_at\t7\t8\t900\n'
GENOTYPES = """##fileformat=VCFv4.2
##INFO=<ID=AF,Number=A,Type=Float,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\ts3
1\t10\t.\tA\tG,T\t50\tPASS\tAF=0.1,0.2\tGT\t0/1\t1|2\t./.
X\t20\trs1\tCG\tC\t.\t.\t.\tGT\t0\t1\t1
"""
LETTERS = (0, 1 / 4, 1 / 3, 1 / 2, 1)
"""The shares of a letter that may stand for one, two, three or four."""


def zipped_variants(folder: Path) -> Sequence[Path]:
    """The table of conflicting variants, alone in a zip."""
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("x.csv", CLINVAR)
    return [folder / "x.zip"]


def zipped_cells(folder: Path) -> Sequence[Path]:
    """AnnData as a zipped zarr folder."""
    return [write_anndata(folder, cells(), "zip")]


def _read_cells(name: str) -> Callable[[Path], Cases]:
    def read(folder: Path) -> Cases:
        with mock.patch("metadx.cases.genomics.parts.MAX_VALUES", 1_000_000):
            return read_anndata(folder / name, label="cell_type", patient="donor")

    return read


GENOMIC = (
    *(
        Reader(
            f"expression, {way}",
            text_of("x.csv", content),
            lambda f: read_expression(f / "x.csv", patients=VOUCHED),
            gaps=True,
            said=numbers_in("x.csv"),
        )
        for way, content in (("samples in rows", SAMPLES), ("genes in rows", GENES))
    ),
    Reader(
        "expression study",
        text_of("a_database.txt", STUDY),
        lambda f: read_expression(f / "a_database.txt", patients=VOUCHED),
        gaps=True,
        said=numbers_in("a_database.txt"),
    ),
    Reader(
        "expression studies, gzipped",
        text_of("a_database.txt.gz", STUDY),
        lambda f: read_studies(f, patients=VOUCHED)["a"],
        exact=True,
    ),
    Reader("AnnData, zipped zarr", zipped_cells, _read_cells("cells.zarr.zip"), quick=60),
    Reader(
        "AnnData, h5ad",
        lambda f: [write_anndata(f, cells(), "h5ad")],
        _read_cells("cells.h5ad"),
        quick=2,
        proof=100,
    ),
    Reader(
        "variants",
        text_of("v.vcf", VARIANTS),
        lambda f: read_vcf(f / "v.vcf", label="SIG", info=["AF"]),
        gaps=True,
    ),
    Reader(
        "genotypes",
        text_of("v.vcf", GENOTYPES),
        lambda f: read_genotypes(f / "v.vcf", {"s1": "ill", "s2": "well", "s3": "ill"}),
        gaps=True,
        within=(0, 1),
    ),
    Reader("ClinVar", text_of("x.csv", CLINVAR), lambda f: read_clinvar_conflicting(f / "x.csv"), gaps=True),
    Reader(
        "ClinVar, zipped",
        zipped_variants,
        lambda f: read_clinvar_conflicting(f / "x.zip"),
        gaps=True,
        exact=True,
    ),
    Reader(
        "saturation",
        text_of("x.csv", SATURATION),
        lambda f: read_saturation(f / "x.csv", gene="BRCA1", features=["cadd"]),
        gaps=True,
    ),
    Reader(
        "sequence windows",
        text_of("x.arff", WINDOWS),
        lambda f: read_windows(f / "x.arff"),
        said=only(*LETTERS),
    ),
)
