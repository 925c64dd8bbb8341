"""Reading the table of ClinVar variants that laboratories classify alike or unlike."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import MISSING
from metadx.cases.genomics.alleles import ALLELE_FEATURES, Allele, allele_features
from metadx.cases.textfile import sha256_of, short_text, text_lines, zipped_lines
from metadx.errors import UserError

AGREE, DISAGREE = "laboratories agree", "laboratories disagree"
"""The two conditions: they say what laboratories did, nothing of what a variant does."""

NUMBERS = {
    "AF_ESP": "allele frequency, GO-ESP",
    "AF_EXAC": "allele frequency, ExAC",
    "AF_TGP": "allele frequency, 1000 Genomes",
    "LoFtool": "intolerance of the gene to loss of function, by VEP",
    "CADD_PHRED": "deleteriousness, CADD, phred-scaled",
    "CADD_RAW": "deleteriousness, CADD",
    "BLOSUM62": "likeness of the amino acids exchanged",
    "cDNA_position": "place in the transcript, by VEP",
    "CDS_position": "place in the coding sequence, by VEP",
    "Protein_position": "place in the protein, by VEP",
    "STRAND": "strand of the gene, 1 or -1, by VEP",
}
"""Columns of numbers, and what their source says they are."""

WORDS = {
    "IMPACT": ("HIGH", "MODERATE", "LOW", "MODIFIER"),
    "SIFT": ("deleterious", "deleterious_low_confidence", "tolerated", "tolerated_low_confidence"),
    "PolyPhen": ("benign", "possibly_damaging", "probably_damaging", "unknown"),
}
"""Columns of one word each: the annotations of VEP, SIFT and PolyPhen, one 0/1 column per word."""

CONSEQUENCES = (
    "3_prime_UTR_variant",
    "5_prime_UTR_variant",
    "frameshift_variant",
    "inframe_deletion",
    "inframe_insertion",
    "intron_variant",
    "missense_variant",
    "splice_acceptor_variant",
    "splice_donor_variant",
    "splice_region_variant",
    "start_lost",
    "stop_gained",
    "synonymous_variant",
)
"""Consequences of the Sequence Ontology that have a 0/1 column each; a variant may have several."""

FEATURES = (
    *ALLELE_FEATURES,
    *NUMBERS,
    "place among the exons",
    *(f"{column}={word}" for column, words in WORDS.items() for word in words),
    *(f"consequence={term}" for term in CONSEQUENCES),
)
"""The columns of `read_clinvar_conflicting`, in order."""

MAX_VARIANTS = 2_000_000

NEEDED = ("CHROM", "POS", "REF", "ALT", "CLASS", "SYMBOL", "Consequence", "EXON", *NUMBERS, *WORDS)
"""The columns that `read_clinvar_conflicting` needs."""

_PLACE = re.compile(r"^\??-?(\d+)")


def read_clinvar_conflicting(path: str | Path) -> Cases:
    """ClinVar variants, "laboratories agree" or "laboratories disagree", `group` the gene's symbol.

    They disagree where one says (likely) pathogenic, uncertain or (likely) benign, and another says something else
    of these three. The label is neither pathogenicity nor risk. A variant is its own patient, together with others
    at its position. Diseases, identifiers and the count of submissions are left out: they come with what the
    laboratories said.

    Args:
        path: `clinvar_conflicting.csv`, or a zip or gzip of it; what macOS leaves in a zip is passed over.

    Raises:
        UserError: the file is absent or damaged, a column is missing, or a value cannot be read; says where.

    References:
        Landrum et al., ClinVar, Nucleic Acids Research 2018, doi:10.1093/nar/gkx1153.
    """
    file = Path(path)
    rows: list[list[float]] = []
    alleles: list[Allele] = []
    genes: list[str] = []
    labels: list[int] = []
    with zipped_lines(file, ".csv") if _zipped(file) else text_lines(file) as lines:
        for number, row in enumerate(_rows(lines, file), start=1):
            what = f"{file}: row {number}"
            if number > MAX_VARIANTS:
                raise UserError(f"{file}: more than {MAX_VARIANTS:,} variants. Is this the right file?")
            alleles.append(_allele(row, what))
            labels.append(_label(row["CLASS"], what))
            rows.append(_values(row, what))
            genes.append("" if row["SYMBOL"].lower() in MISSING else row["SYMBOL"])
    y = np.asarray(labels, dtype=np.int64)
    if len(np.unique(y)) < 2:
        raise UserError(f"{file}: every variant has the same CLASS, or there is none. Get the file again.")
    return Cases(
        x=np.asarray(rows),
        y=y,
        patient=short_text([allele.place for allele in alleles], f"{file}: chromosomes"),
        classes=(AGREE, DISAGREE),
        modality="genomics",
        provenance=Provenance(
            source=f"ClinVar, conflicting classifications, {file}",
            licence="public domain (ClinVar), CC0 (the table)",
            checksum=sha256_of(file),
            preprocessing=tuple(f"{column}: {meaning}" for column, meaning in NUMBERS.items()),
            notes=(
                "The label is disagreement between laboratories, not pathogenicity and not risk.",
                "Frequencies of 0 may mean that a variant was not looked for.",
            ),
        ),
        features=FEATURES,
        name=short_text([allele.name for allele in alleles], f"{file}: chromosomes"),
        group=short_text(genes, f"{file}: genes"),
    )


def _rows(lines: Iterator[str], path: Path) -> Iterator[dict[str, str]]:
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        missing = [name for name in NEEDED if name not in header]
        if missing:
            raise UserError(
                f"{path}: no column {', '.join(missing[:6])}. Is this clinvar_conflicting.csv, with its header?"
            )
        where = [(name, header.index(name)) for name in NEEDED]
        for number, row in enumerate(reader, start=1):
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{path}: row {number} has {len(row)} cells, the header {len(header)}. Mend that row."
                )
            yield {name: row[at].strip() for name, at in where}
    except csv.Error as why:
        raise UserError(f"{path}: not a sound CSV ({why}). Get the file again.") from why


def _zipped(path: Path) -> bool:
    if not path.is_file():
        raise UserError(f"{path}: no such file. Mend the path.")
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _allele(row: dict[str, str], what: str) -> Allele:
    position = row["POS"]
    if not (position.isascii() and position.isdigit() and len(position) < 11):
        raise UserError(f"{what}: POS '{position[:40]}' is no position. Mend that row.")
    for name in ("REF", "ALT"):
        if not (row[name].isalpha() and row[name].isascii()) and row[name] != "-":
            raise UserError(f"{what}: {name} '{row[name][:40]}' is not made of bases. Mend that row.")
    return Allele(row["CHROM"], int(position), row["REF"], row["ALT"])


def _label(text: str, what: str) -> int:
    if text not in ("0", "1"):
        raise UserError(f"{what}: CLASS '{text[:40]}' is neither 0 (agree) nor 1 (disagree). Mend that row.")
    return int(text)


def _values(row: dict[str, str], what: str) -> list[float]:
    terms = row["Consequence"].split("&")
    words = [
        float(row[column] == word) if row[column].lower() not in MISSING else np.nan
        for column, known in WORDS.items()
        for word in known
    ]
    return [
        *allele_features(row["REF"], row["ALT"]),
        *(_number(row[column], column, what) for column in NUMBERS),
        _share(row["EXON"]),
        *words,
        *(float(term in terms) for term in CONSEQUENCES),
    ]


def _number(text: str, column: str, what: str) -> float:
    if text.lower() in MISSING:
        return float("nan")
    if column.endswith("_position"):
        match = _PLACE.match(text)
        return float(match[1]) if match and len(match[1]) < 11 else float("nan")
    try:
        value = float("x" if "_" in text else text)
    except ValueError:
        value = float("inf")
    if not np.isfinite(value):
        raise UserError(f"{what}: {column} '{text[:40]}' is no number. Mend that row.")
    return value


def _share(exon: str) -> float:
    """How far along the gene's exons "3/10" is, from 0 to 1; NaN outside exons."""
    number, _, count = exon.partition("/")
    first = number.partition("-")[0]
    if not (first.isdigit() and count.isdigit() and first.isascii() and count.isascii()):
        return float("nan")
    return int(first[:9]) / max(int(count[:9]), 1)
