"""Turning declared attributes into the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.clinical.arff import Attribute
from metadx.cases.columns import is_missing, levels, numbers
from metadx.errors import UserError


class Encoded(NamedTuple):
    """Columns of a table: values, shape (cases, columns), NaN where missing; their names; what was done."""

    x: NDArray[np.float64]
    features: tuple[str, ...]
    done: tuple[str, ...]


def encode_attributes(
    attributes: Sequence[Attribute], columns: Sequence[NDArray[np.object_]], source: str
) -> Encoded:
    """Numeric attributes as they are; nominal ones as 0/1 columns such as `sex=F`, or as numbers if all are.

    Args:
        attributes: what each column is declared to be.
        columns: text cells, None where missing, each of shape (cases,).
        source: the file, to name in an error.

    Raises:
        UserError: an attribute is text or a date, a value is no number or infinite, or two columns get one name.
    """
    parts: list[NDArray[np.float64]] = []
    names: list[str] = []
    words: list[str] = []
    coded: list[str] = []
    for attribute, cells in zip(attributes, columns, strict=True):
        known = np.asarray(["" if cell is None else cell for cell in cells], dtype=object)
        if attribute.kind == "numeric" or (attribute.levels and all(map(_is_number, attribute.levels))):
            parts.append(numbers(known, f"{source}: attribute '{attribute.name}'")[:, None])
            names.append(attribute.name)
            if attribute.kind == "nominal":
                coded.append(attribute.name)
        elif attribute.kind == "nominal":
            values, made = levels(_spelt(known), attribute.name)
            parts.append(values)
            names.extend(made)
            words.append(attribute.name)
        else:
            raise UserError(
                f"{source}: attribute '{attribute.name}' is a {attribute.kind}, which is no measurement. Leave it "
                f"out with drop=['{attribute.name}'], or name it as the patient."
            )
    if not names:
        raise UserError(f"{source}: no attributes beside the label and the patient. Add the measurements.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{source}: two columns become '{twice}'. Rename one.")
    done = []
    if words:
        done.append(f"text columns made one 0/1 column per level: {_some(words)}")
    if coded:
        done.append(f"nominal columns whose values are all numbers kept as numbers: {_some(coded)}")
    return Encoded(np.concatenate(parts, axis=1), tuple(names), tuple(done))


def _spelt(cells: NDArray[np.object_]) -> NDArray[np.object_]:
    """Levels such as "na", which would be taken for missing, put in quotes."""
    odd = is_missing(cells) & np.asarray([cell != "" for cell in cells])
    return np.asarray([f"'{cell}'" if o else cell for cell, o in zip(cells, odd, strict=True)], dtype=object)


def _is_number(word: str) -> bool:
    try:
        return "_" not in word and bool(np.isfinite(float(word)))
    except ValueError:
        return False


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
