"""Reading variants from VCF: each as a case, or each sample as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.genomics.alleles import ALLELE_FEATURES, Allele, allele_features
from metadx.cases.genomics.annotation import IMPACTS, Annotation, annotate
from metadx.cases.genomics.vcf import Record, Vcf, parse_vcf
from metadx.cases.labels import number_classes
from metadx.cases.textfile import sha256_of, short_text
from metadx.errors import UserError, nearest

_OWN = ("quality", "passed filters", "frequency among samples", *(f"impact={impact}" for impact in IMPACTS))


def read_vcf(
    path: str | Path,
    *,
    label: str | Mapping[str, str],
    conditions: Mapping[str, str] | None = None,
    info: Sequence[str] = (),
) -> Cases:
    """Cases from a VCF, one per alternative allele; `group` is the gene, by SnpEff's, VEP's or ClinVar's word.

    A variant is its own patient, together with others at its position. Symbolic alleles such as `<DEL>` are left
    out, and so are alleles without a label; the notes say how many.

    Args:
        path: the file.
        label: the INFO field that holds the condition, or the condition of each variant by its name, such as
            {"17-43093464-G-A": "lost"}; chromosomes are named as in the file.
        conditions: what values of the label stand for; alleles with other values are left out. None keeps all.
        info: INFO fields with numbers to add as features; of several per line, the allele's own.

    Raises:
        UserError: the file, a field, a label or a value cannot be used; one class.
    """
    file = Path(path)
    vcf = parse_vcf(file)
    present = {name for record in vcf.records for name in record.info}
    for name in (*([label] if isinstance(label, str) else []), *info):
        if name not in present:
            raise UserError(
                f"{file}: no INFO field '{name}'; {nearest(name, present or {'none'})}. Name another."
            )
    rows: list[NDArray[np.float64]] = []
    alleles: list[Allele] = []
    genes: list[str] = []
    labels: list[str] = []
    left: Counter[str] = Counter()
    sources: set[str] = set()
    for record in vcf.records:
        for number, alternative in enumerate(record.alternatives, start=1):
            allele = Allele(record.chromosome, record.position, record.reference, alternative)
            found = _label(record, number, allele, label, vcf, file)
            found = conditions.get(found, "") if conditions is not None else found
            if not alternative.isalpha():
                left["symbolic"] += 1
                continue
            if not found:
                left["unlabelled"] += 1
                continue
            annotation, source = annotate(record, number, vcf.declared)
            sources |= {source} - {""}
            own = [_number(record, number, name, vcf, file) for name in info]
            rows.append(np.asarray([*_row(record, number, annotation), *own]))
            alleles.append(allele)
            genes.append(annotation.gene)
            labels.append(found)
    if not rows:
        raise UserError(f"{file}: no allele has a label ({dict(left)}). Name the INFO field with label=...")
    y, classes = number_classes(short_text(labels, f"{file}: labels").tolist(), str(file))
    counted = (
        f"{left['symbolic']} symbolic alleles left out",
        f"{left['unlabelled']} without a label left out",
    )
    return Cases(
        x=np.stack(rows),
        y=y,
        patient=short_text([allele.place for allele in alleles], f"{file}: chromosomes"),
        classes=classes,
        modality="genomics",
        provenance=Provenance(
            source=str(file),
            checksum=sha256_of(file),
            preprocessing=(
                "one case per alternative allele",
                f"genes and impacts by {', '.join(sorted(sources)) or 'nobody: not annotated'}",
                *(said for said in counted if not said.startswith("0 ")),
                *(() if vcf.ordered else ("positions are not in order, and stay so",)),
            ),
        ),
        features=(*ALLELE_FEATURES, *_OWN, *info),
        name=short_text([allele.name for allele in alleles], f"{file}: chromosomes"),
        group=short_text(genes, f"{file}: genes"),
    )


def read_genotypes(path: str | Path, labels: Mapping[str, str]) -> Cases:
    """Cases from a VCF, one per sample, its features the share of its copies that are each alternative allele.

    The share is 0, 0.5 or 1 where there are two copies, 0 or 1 where there is one, as on a man's X; NaN where the
    genotype is not known. Each sample is a patient of its own.

    Args:
        path: the file.
        labels: the condition of each sample by its name; other samples are left out.

    Raises:
        UserError: the file has no genotypes, a sample is not in it, two variants have one name, or one class.
    """
    file = Path(path)
    vcf = parse_vcf(file)
    unknown = [sample for sample in labels if sample not in vcf.samples]
    if unknown or not labels:
        raise UserError(
            f"{file}: no sample '{unknown[0] if unknown else ''}'; it has {len(vcf.samples)}: "
            f"{', '.join(vcf.samples[:6])}. Give the condition of samples that are there."
        )
    kept = [at for at, sample in enumerate(vcf.samples) if sample in labels]
    columns: list[NDArray[np.float64]] = []
    names: list[str] = []
    for record in vcf.records:
        share = _share(record)[kept]
        for number, alternative in enumerate(record.alternatives, start=1):
            columns.append(share[:, number])
            names.append(Allele(record.chromosome, record.position, record.reference, alternative).name)
    if not names:
        raise UserError(f"{file}: no alternative alleles, so nothing tells the samples apart.")
    twice, often = Counter(names).most_common(1)[0]
    if often > 1:
        raise UserError(
            f"{file}: the variant {twice[:80]} comes twice. Merge its lines with `bcftools norm`."
        )
    samples = [vcf.samples[at] for at in kept]
    y, classes = number_classes([labels[sample] for sample in samples], str(file))
    return Cases(
        x=np.column_stack(columns),
        y=y,
        patient=short_text(samples, f"{file}: samples"),
        classes=classes,
        modality="genomics",
        provenance=Provenance(
            source=str(file),
            checksum=sha256_of(file),
            preprocessing=("share of each sample's copies that are the alternative allele",),
        ),
        features=tuple(names),
        name=short_text(samples, f"{file}: samples"),
    )


def _label(
    record: Record, number: int, allele: Allele, label: str | Mapping[str, str], vcf: Vcf, path: Path
) -> str:
    if not isinstance(label, str):
        return label.get(allele.name, "")
    text = _value(record, number, label, vcf, path)
    return "" if text in (None, ".") else text or ""


def _value(record: Record, number: int, name: str, vcf: Vcf, path: Path) -> str | None:
    """An INFO field's value, the allele's own where there is one per allele.

    Raises:
        UserError: there should be one per allele, and there are more or fewer: nobody knows whose they are.
    """
    text = record.info.get(name)
    if text is None or name not in vcf.declared or vcf.declared[name].number not in ("A", "R"):
        return text
    if text in (".", ""):
        return None
    values = text.split(",")
    reference = vcf.declared[name].number == "R"
    if len(values) != len(record.alternatives) + reference:
        raise UserError(
            f"{path}: {name} of {record.chromosome[:40]}-{record.position} has {len(values)} values, its line "
            f"{len(record.alternatives) + reference} alleles to have one each. Mend that line."
        )
    return values[number - (not reference)]


def _number(record: Record, number: int, name: str, vcf: Vcf, path: Path) -> float:
    text = _value(record, number, name, vcf, path)
    if text in (None, ".", ""):
        return float("nan")
    try:
        value = float("x" if "_" in text else text)
    except ValueError:
        value = float("inf")
    if not np.isfinite(value):
        raise UserError(
            f"{path}: {name} of {record.chromosome}-{record.position} is '{text[:40]}', no number. Leave it out of "
            "info, or mend it."
        )
    return value


def _row(record: Record, number: int, annotation: Annotation) -> NDArray[np.float64]:
    called = _share(record)[:, number]
    called = called[~np.isnan(called)]
    impact = [float(annotation.impact == impact) if annotation.impact else np.nan for impact in IMPACTS]
    return np.asarray(
        [
            *allele_features(record.reference, record.alternatives[number - 1]),
            record.quality,
            float(record.filters == ("PASS",)) if record.filters else np.nan,
            called.mean() if len(called) else np.nan,
            *impact,
        ]
    )


def _share(record: Record) -> NDArray[np.float64]:
    """The share of each sample's copies that are each allele, NaN where not called."""
    total = record.copies.sum(1, keepdims=True)
    return np.where(total > 0, record.copies / np.maximum(total, 1), np.nan)
