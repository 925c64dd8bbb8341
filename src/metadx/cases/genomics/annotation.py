"""Which gene a variant lies in and what it does there, as SnpEff, VEP or ClinVar wrote it into INFO."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from metadx.cases.genomics.vcf import Declared, Record

IMPACTS = ("HIGH", "MODERATE", "LOW", "MODIFIER")
"""How much a consequence matters, by SnpEff and VEP, the most first."""

_EFFECT = re.compile(r"(?P<effect>[^(),]+)\((?P<fields>[^()]*)\)")
_FORMAT = re.compile(r"Format:\s*(?P<fields>.+)$", re.IGNORECASE)
_TERMS = {
    "HIGH": "transcript_ablation splice_acceptor_variant splice_donor_variant stop_gained frameshift_variant "
    "stop_lost start_lost transcript_amplification feature_elongation feature_truncation nonsense",
    "MODERATE": "inframe_insertion inframe_deletion missense_variant protein_altering_variant inframe_indel",
    "LOW": "splice_region_variant splice_donor_5th_base_variant splice_donor_region_variant "
    "splice_polypyrimidine_tract_variant incomplete_terminal_codon_variant start_retained_variant "
    "stop_retained_variant synonymous_variant",
}
_IMPACT = {term: impact for impact, terms in _TERMS.items() for term in terms.split()}


class Annotation(NamedTuple):
    """The gene, consequence and impact of one allele; each is "" where it is not said."""

    gene: str = ""
    consequence: str = ""
    impact: str = ""


def annotate(record: Record, number: int, declared: Mapping[str, Declared]) -> tuple[Annotation, str]:
    """What INFO says of an alternative allele, and which field says it: ANN, CSQ, EFF or GENEINFO.

    Of several transcripts it is the one with the greatest impact, the first where they are equal.

    Args:
        record: the line.
        number: of the allele, from 1.
        declared: INFO fields of the header, of which CSQ names the order of its parts.
    """
    info = record.info
    for name, entries in (("ANN", _ann), ("CSQ", _csq), ("EFF", _eff)):
        if info.get(name):
            found = list(entries(record, number, declared))
            if found:
                return min(found, key=lambda entry: _rank(entry.impact)), name
    if info.get("GENEINFO"):
        gene = info["GENEINFO"].split("|")[0].partition(":")[0]
        consequence = info.get("MC", "").split(",")[0].partition("|")[2]
        return Annotation(gene, consequence, impact_of(consequence) if consequence else ""), "GENEINFO"
    return Annotation(), ""


def impact_of(consequence: str) -> str:
    """The impact of a consequence of the Sequence Ontology, the greatest of several joined by `&`."""
    return min((_IMPACT.get(term.lower(), "MODIFIER") for term in consequence.split("&")), key=_rank)


def _rank(impact: str) -> int:
    return IMPACTS.index(impact) if impact in IMPACTS else len(IMPACTS)


def _ann(record: Record, number: int, declared: Mapping[str, Declared]) -> Iterator[Annotation]:
    allele = record.alternatives[number - 1]
    for entry in record.info["ANN"].split(","):
        parts = [part.strip() for part in entry.split("|")]
        if len(parts) > 3 and parts[0] == allele:
            yield Annotation(parts[3], parts[1], parts[2].upper())


def _csq(record: Record, number: int, declared: Mapping[str, Declared]) -> Iterator[Annotation]:
    layout = _FORMAT.search(declared["CSQ"].description) if "CSQ" in declared else None
    if layout is None:
        return
    names = [name.strip().strip("'\"").lower() for name in layout["fields"].split("|")]
    for entry in record.info["CSQ"].split(","):
        parts = dict(zip(names, entry.split("|"), strict=False))
        if not _is_of(parts, record, number):
            continue
        consequence = parts.get("consequence", "")
        impact = parts.get("impact", "").upper() or (impact_of(consequence) if consequence else "")
        yield Annotation(parts.get("symbol") or parts.get("gene", ""), consequence, impact)


def _is_of(parts: Mapping[str, str], record: Record, number: int) -> bool:
    """Whether a VEP entry is about that allele; VEP leaves out the first base of insertions and deletions."""
    if parts.get("allele_num"):
        return parts["allele_num"] == str(number)
    if "allele" not in parts:
        return True
    allele = record.alternatives[number - 1]
    return parts["allele"] in (allele, allele[1:] or "-")


def _eff(record: Record, number: int, declared: Mapping[str, Declared]) -> Iterator[Annotation]:
    for match in _EFFECT.finditer(record.info["EFF"]):
        parts = match["fields"].split("|")
        if len(parts) > 5 and (len(parts) < 11 or not parts[10].isdigit() or int(parts[10]) == number):
            yield Annotation(parts[5], match["effect"].strip().lower(), parts[0].strip().upper())
