"""What can be said of a variant from its letters alone."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

ALLELE_FEATURES = (
    "substitution",
    "transition",
    "insertion",
    "deletion",
    "several bases changed",
    "length change",
)
"""Columns that `allele_features` makes; a transition is missing where there is no single substitution."""

_LONG = 40
_TRANSITIONS = frozenset((frozenset("AG"), frozenset("CT")))


class Allele(NamedTuple):
    """One alternative allele at a place, as its source writes it; positions are counted from 1."""

    chromosome: str
    position: int
    reference: str
    alternative: str

    @property
    def name(self) -> str:
        """Its name, such as "17-43093464-G-A"; alleles above 40 bases by their first, their length and a digest."""
        return f"{self.place}-{_short(self.reference)}-{_short(self.alternative)}"

    @property
    def place(self) -> str:
        """Its position, which alleles that must stay together share, such as "17-43093464"."""
        return f"{self.chromosome}-{self.position}"


def allele_features(reference: str, alternative: str) -> tuple[float, ...]:
    """The columns `ALLELE_FEATURES` of one variant, once letters that both alleles share were cut off their ends.

    Args:
        reference, alternative: bases, or "-" for none.
    """
    old, new = _trimmed(reference.upper().replace("-", ""), alternative.upper().replace("-", ""))
    single = len(old) == len(new) == 1
    transition = float(frozenset((old, new)) in _TRANSITIONS) if single else math.nan
    return (
        float(single),
        transition,
        float(not old and bool(new)),
        float(bool(old) and not new),
        float(bool(old) and bool(new) and not single),
        float(len(new) - len(old)),
    )


def _short(bases: str) -> str:
    if len(bases) <= _LONG:
        return bases
    return f"{bases[:10]}~{len(bases)}~{hashlib.sha256(bases.encode()).hexdigest()[:10]}"


def _trimmed(old: str, new: str) -> tuple[str, str]:
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    return old[shared:], new[shared:]
