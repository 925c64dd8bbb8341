"""The leakage audit: everything that is checked, and what was found."""

from __future__ import annotations

from dataclasses import dataclass

from metadx.cases.audit.alike import alike
from metadx.cases.audit.giveaway import give_aways
from metadx.cases.audit.leak import Leak, declared
from metadx.cases.audit.links import Link, Progress, quiet, same
from metadx.cases.audit.pictures import picture_links
from metadx.cases.audit.rows import row_links
from metadx.cases.audit.splits import declared_splits, parted
from metadx.cases.cases import Cases

_ORDER = ("two ids", "split", "label conflict", "duplicate", "near-duplicate", "give-away")


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Args:
        source: where the cases come from.
        cases: how many there are.
        patients: how many patients they are of, or None where that is not known.
        leaks: problems, the serious ones first.
        unchecked: what could not be checked, in sentences.
    """

    source: str
    cases: int
    patients: int | None
    leaks: tuple[Leak, ...]
    unchecked: tuple[str, ...]

    @property
    def serious(self) -> bool:
        """Whether any leak is serious."""
        return any(leak.severity == "serious" for leak in self.leaks)


def audit_cases(cases: Cases, *, progress: Progress = quiet) -> Audit:
    """Looks for what makes measured numbers better than the truth.

    Duplicates and near-duplicates, one patient under two ids, labels that contradict each other, features that give
    the label away, and patients in two of the source's splits. Changes nothing. Looks the same twice on the same
    cases.

    Args:
        cases: tables are compared by how rare the values are in which rows agree; pictures in eight turns, whatever
            their size, encoding or brightness was.
        progress: told how far the comparison is.
    """
    leaks = [*alike(cases, _links(cases, progress)), *parted(cases), *give_aways(cases)]
    leaks.sort(key=lambda f: (f.severity != "serious", _ORDER.index(f.kind), f.cases))
    return Audit(
        source=cases.provenance.source,
        cases=len(cases),
        patients=len(set(cases.patient.tolist())) if declared(cases) else None,
        leaks=tuple(leaks),
        unchecked=tuple(_unchecked(cases)),
    )


def _links(cases: Cases, progress: Progress) -> list[Link]:
    if cases.modality == "image" and cases.x.ndim == 4:
        return picture_links(cases, progress)
    if cases.x.ndim == 2:
        return row_links(cases, progress)
    twin = same(cases.x)
    return [
        Link((int(first), at), True, True, "are equal in every value")
        for at, first in enumerate(twin)
        if first != at
    ]


def _unchecked(cases: Cases) -> list[str]:
    said = []
    if not declared(cases):
        said.append("Patients under two ids: the cases carry no patient ids, so copies count as duplicates.")
    if declared_splits(cases) is None:
        said.append("Patients in two splits: the source declares no splits.")
    elif not declared(cases):
        said.append("Patients in two splits: the cases carry no patient ids.")
    if cases.modality == "image" and cases.x.ndim > 4:
        said.append("Near-duplicates: volumes are compared value by value, not turned or brightened.")
    if cases.regression:
        said.append("Features that give the label away: the target is a value, not a condition.")
    return said
