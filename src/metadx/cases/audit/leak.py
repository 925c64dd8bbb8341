"""What the audit says: one leak per problem, with the cases that show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metadx.cases.cases import Cases
from metadx.cases.patients import ASSUMED, VOUCHED

Kind = Literal["duplicate", "near-duplicate", "two ids", "label conflict", "give-away", "split"]
Severity = Literal["serious", "notice"]


@dataclass(frozen=True)
class Leak:
    """One problem of the data.

    Args:
        kind: what it is.
        severity: "serious" if numbers measured on these data cannot be trusted until it is mended.
        cases: numbers of the cases that show it, from 0.
        names: what the source calls each of them.
        patients: the patients they are of.
        sentence: what is wrong, in plain words.
        mend: what to do about it.
    """

    kind: Kind
    severity: Severity
    cases: tuple[int, ...]
    names: tuple[str, ...]
    patients: tuple[str, ...]
    sentence: str
    mend: str


def find(
    kind: Kind, severity: Severity, cases: Cases, members: Iterable[int], sentence: str, mend: str
) -> Leak:
    """A leak about the cases whose numbers are `members`."""
    at = tuple(sorted({int(number) for number in members}))
    return Leak(
        kind,
        severity,
        at,
        tuple(case_name(cases, number) for number in at),
        tuple(dict.fromkeys(str(cases.patient[number]) for number in at)),
        sentence,
        mend,
    )


def case_name(cases: Cases, number: int) -> str:
    """What the source calls a case: a picture's path, or the number of a row, from 1."""
    if cases.name is not None:
        return str(cases.name[number])
    return f"row {number + 1}" if cases.modality == "table" else f"case {number + 1}"


def declared(cases: Cases) -> bool:
    """Whether the data say whose each case is, rather than somebody having vouched or assumed it."""
    return not {VOUCHED, ASSUMED} & {*cases.provenance.notes}


def some(words: Sequence[str], most: int = 4) -> str:
    """The first few words of many, and how many more there are."""
    shown = ", ".join(word[:60] for word in words[:most])
    return shown + (f" and {len(words) - most:,} more" if len(words) > most else "")


def label(cases: Cases, number: int) -> str:
    """The name of a case's condition, or its target."""
    return f"{cases.y[number]:g}" if cases.regression else cases.classes[int(np.asarray(cases.y)[number])]
