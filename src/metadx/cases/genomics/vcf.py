"""Parsing VCF strictly: a line that is not sound is named, and none is passed over in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.textfile import text_lines
from metadx.errors import UserError

MAX_RECORDS = 1_000_000
MAX_GENOTYPES = 200_000_000

_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_BASES = re.compile(r"[ACGTNRYSWKMBDHV]+", re.IGNORECASE)
_SYMBOLIC = re.compile(r"<[^<>]+>|\*|[^,\s]*[\[\]][^,\s]*|\.[ACGTN]+|[ACGTN]+\.", re.IGNORECASE)
_DECLARED = re.compile(
    r"^##INFO=<ID=(?P<id>[^,>]+),Number=(?P<number>[^,>]+),Type=(?P<type>[^,>]+)(?P<rest>.*)>\s*$"
)
_DESCRIPTION = re.compile(r'Description="((?:[^"\\]|\\.)*)"')
_ALLELES = re.compile(r"[|/]")
_MAX_PLOIDY = 16


class Declared(NamedTuple):
    """An INFO field as the header declares it: its number ("A" is one per alternative), type and description."""

    number: str
    type: str
    description: str


class Record(NamedTuple):
    """One line: a place, its alleles, and how many copies of each the samples carry.

    Args:
        chromosome, position, reference: where, counted from 1.
        alternatives: bases, or "<DEL>", "*" and breakends; empty where nothing differs.
        quality: phred-scaled, NaN where not given.
        filters: names of the filters it failed; "PASS" if it passed all, empty where not filtered.
        info: the INFO fields as text; flags are "".
        copies: shape (samples, 1 + alternatives), the reference first; all 0 for a sample not wholly called.
    """

    chromosome: str
    position: int
    reference: str
    alternatives: tuple[str, ...]
    quality: float
    filters: tuple[str, ...]
    info: dict[str, str]
    copies: NDArray[np.int16]


@dataclass
class Vcf:
    """A parsed file."""

    samples: tuple[str, ...]
    declared: dict[str, Declared]
    records: list[Record] = field(default_factory=list)

    @property
    def ordered(self) -> bool:
        """Whether the records of each chromosome stand together, by position."""
        seen: set[str] = set()
        last: Record | None = None
        for record in self.records:
            if last is None or record.chromosome != last.chromosome:
                if record.chromosome in seen:
                    return False
                seen.add(record.chromosome)
            elif record.position < last.position:
                return False
            last = record
        return True


def parse_vcf(path: str | Path) -> Vcf:
    """Reads VCF 4, plain, gzipped or block-gzipped, in any order of positions.

    Genotypes may be haploid, diploid or of any ploidy up to 16; a sample of which an allele is unknown (`./1`) is
    not called.

    Raises:
        UserError: not VCF, no header, or a line that is not sound; says which.
    """
    file = Path(path)
    with text_lines(file) as lines:
        return _parsed(enumerate(lines, start=1), file)


def _parsed(numbered: Iterator[tuple[int, str]], file: Path) -> Vcf:
    vcf = _header(numbered, file)
    width = len(_COLUMNS) + (1 + len(vcf.samples) if vcf.samples else 0)
    genotypes = 0
    for number, line in numbered:
        if not line.strip():
            continue
        what = f"{file}: line {number}"
        cells = line.split("\t")
        if len(cells) != width:
            raise UserError(
                f"{what} has {len(cells)} columns, the header {width}. Mend that line; tabs separate."
            )
        record = _record(cells, what)
        vcf.records.append(record)
        genotypes += record.copies.size
        if len(vcf.records) > MAX_RECORDS or genotypes > MAX_GENOTYPES:
            raise UserError(
                f"{file}: more than {MAX_RECORDS:,} lines or {MAX_GENOTYPES:,} genotypes. Keep a region."
            )
    if not vcf.records:
        raise UserError(f"{file}: no variants below the header.")
    return vcf


def _header(lines: Iterator[tuple[int, str]], path: Path) -> Vcf:
    declared: dict[str, Declared] = {}
    for number, line in lines:
        if number == 1 and not line.startswith("##fileformat=VCFv4"):
            raise UserError(
                f"{path}: the first line is no '##fileformat=VCFv4...'. Is this VCF? Convert BCF with "
                "`bcftools view`."
            )
        if line.startswith("##"):
            if match := _DECLARED.match(line):
                words = _DESCRIPTION.search(match["rest"])
                declared[match["id"]] = Declared(match["number"], match["type"], words[1] if words else "")
            continue
        columns = line.rstrip("\t").split("\t")
        if tuple(columns[: len(_COLUMNS)]) != _COLUMNS or (columns[8:] and columns[8] != "FORMAT"):
            raise UserError(
                f"{path}: line {number} should be the header '#CHROM POS ID REF ALT QUAL FILTER INFO', perhaps "
                f"'FORMAT' and samples, separated by tabs; it is '{line[:40]}'. Mend it."
            )
        samples = tuple(columns[9:])
        if len(set(samples)) < len(samples) or "" in samples:
            raise UserError(f"{path}: a sample has no name, or two have the same. Rename one.")
        if len(columns) == 9:
            raise UserError(f"{path}: a column FORMAT without samples. Remove it, or add the samples.")
        return Vcf(samples, declared)
    raise UserError(f"{path}: no header '#CHROM ...'. Is this VCF, and whole?")


def _record(cells: list[str], what: str) -> Record:
    chromosome, position, _, reference, alternative, quality, filters, info = cells[:8]
    if not chromosome.strip() or not (position.isascii() and position.isdigit() and len(position) < 11):
        raise UserError(f"{what}: no chromosome, or '{position[:40]}' is no position. Mend that line.")
    if not _BASES.fullmatch(reference):
        raise UserError(f"{what}: the reference '{reference[:40]}' is not made of bases. Mend that line.")
    alternatives = () if alternative == "." else tuple(alternative.split(","))
    for allele in alternatives:
        if (
            not (_BASES.fullmatch(allele) or _SYMBOLIC.fullmatch(allele))
            or allele.upper() == reference.upper()
        ):
            raise UserError(
                f"{what}: '{allele[:40]}' is no alternative allele of '{reference[:40]}'. Mend that line."
            )
    if len(set(alternatives)) < len(alternatives):
        raise UserError(f"{what}: an alternative allele comes twice. Mend that line.")
    return Record(
        chromosome,
        int(position),
        reference,
        alternatives,
        _quality(quality, what),
        () if filters in (".", "") else tuple(filters.split(";")),
        _info(info, what),
        _copies(cells[8], cells[9:], len(alternatives), what) if len(cells) > 8 else _none(len(alternatives)),
    )


def _quality(text: str, what: str) -> float:
    if text == ".":
        return float("nan")
    try:
        value = float("x" if "_" in text else text)
    except ValueError:
        value = float("inf")
    if not np.isfinite(value):
        raise UserError(f"{what}: the quality '{text[:40]}' is no number. Write a number or a dot.")
    return value


def _info(text: str, what: str) -> dict[str, str]:
    if text in (".", ""):
        return {}
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name in found:
            raise UserError(f"{what}: INFO says '{name[:40]}' twice. Mend that line.")
        if name:
            found[name] = value
    return found


def _none(alternatives: int) -> NDArray[np.int16]:
    return np.zeros((0, 1 + alternatives), dtype=np.int16)


def _copies(layout: str, cells: list[str], alternatives: int, what: str) -> NDArray[np.int16]:
    copies = np.zeros((len(cells), 1 + alternatives), dtype=np.int16)
    names = layout.split(":")
    if "GT" not in names:
        return copies
    if names[0] != "GT":
        raise UserError(f"{what}: GT is not the first field of FORMAT. Mend that line.")
    known: dict[str, NDArray[np.int16]] = {}
    for sample, cell in enumerate(cells):
        genotype = cell.partition(":")[0]
        if genotype not in known:
            known[genotype] = _genotype(genotype, alternatives, what)
        copies[sample] = known[genotype]
    return copies


def _genotype(text: str, alternatives: int, what: str) -> NDArray[np.int16]:
    counts = np.zeros(1 + alternatives, dtype=np.int16)
    alleles = _ALLELES.split(text)
    for allele in alleles:
        if allele != "." and not (allele.isascii() and allele.isdigit() and len(allele) < 4):
            raise UserError(f"{what}: '{text[:40]}' is no genotype. Mend that line.")
        if allele != "." and int(allele) > alternatives:
            raise UserError(
                f"{what}: the genotype '{text[:40]}' names an allele that is not there. Mend that line."
            )
    if len(alleles) > _MAX_PLOIDY:
        raise UserError(
            f"{what}: a genotype of {len(alleles)} alleles (at most {_MAX_PLOIDY}). Mend that line."
        )
    if "." not in alleles:
        for allele in alleles:
            counts[int(allele)] += 1
    return counts
