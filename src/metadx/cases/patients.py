"""Whose case each one is: from a pattern on file names, or from the words with which a user vouches."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT
from metadx.errors import UserError

VOUCHED = f"No patient ids: whoever loaded these cases said that {EVERY_CASE_ITS_OWN_PATIENT}."
"""The note that every report of vouched-for cases repeats."""

ASSUMED = (
    f"No patient ids: it is assumed that {EVERY_CASE_ITS_OWN_PATIENT}. If not, the figures are too good."
)
"""The note of cases of which nobody said whose they are."""


def vouched(words: str | None, count: int, source: str, *, otherwise: str) -> NDArray[np.str_]:
    """A patient id of its own for each of `count` cases, if `words` vouch that this is so.

    Args:
        words: `EVERY_CASE_ITS_OWN_PATIENT`, or whatever else was given.
        count: number of cases.
        source: what to name in an error.
        otherwise: the other way to mend it, such as "Add a column 'patient'".

    Raises:
        UserError: `words` are not the words.
    """
    if words != EVERY_CASE_ITS_OWN_PATIENT:
        said = "" if words is None else f" ('{words[:60]}' does not say so)"
        raise UserError(
            f"{source}: no patient ids{said}. {otherwise}, or vouch for the data with "
            f"patients='{EVERY_CASE_ITS_OWN_PATIENT}'."
        )
    return np.asarray([f"case {number}" for number in range(count)], dtype=np.str_)


def from_pattern(names: Sequence[str], pattern: str, source: str) -> NDArray[np.str_]:
    """The patient id that group 1 of `pattern` finds in each name.

    Args:
        names: one name per case, such as its file's.
        pattern: a regular expression with one group, searched for anywhere in the name.
        source: what to name in an error.

    Raises:
        UserError: the pattern is no regular expression, has no group, or misses a name.
    """
    try:
        search = re.compile(pattern)
    except re.error as why:
        raise UserError(f"patient pattern '{pattern}' is no regular expression: {why}. Mend it.") from why
    if search.groups < 1:
        raise UserError(
            f"patient pattern '{pattern}' has no group: put brackets around the id, as in '^(p[0-9]+)_'."
        )
    found = [search.search(name) for name in names]
    for name, match in zip(names, found, strict=True):
        if match is None or not match.group(1):
            raise UserError(
                f"{source}: patient pattern '{pattern}' finds no patient id in '{name}'. "
                "Mend the pattern or rename the file."
            )
    return np.asarray([match.group(1) for match in found if match is not None], dtype=np.str_)
