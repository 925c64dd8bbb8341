"""What it says for two rows to agree in a column: how common its values are, and how steady in one patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WINDOW = 0.025
"""Share of a column's values, on either side of one, that count as near to it."""

_FEW = 10
"""A column with no more different values is one of levels: near means nothing there."""

_EXACT, _NEAR = 0.6, 0.25
"""How often two rows of one patient are taken to agree exactly, or else nearly, before the data tell."""

_PRIOR = 20.0
"""How many pairs of rows of one patient outweigh that."""

_LEAST = 0.02
_REPEATED = 0.6
_MOST_MERGED = 60


@dataclass(frozen=True)
class Column:
    """One measured quantity, coded.

    Args:
        name: what it is called.
        code: which of its values each case has, shape (cases,); -1 where it is missing.
        share: how common each value is among those recorded, shape (values,).
        rank: mid-rank of each value, 0 to 1, shape (values,).
        window: share of the values that are near to each, shape (values,).
        exact, near: how often two rows of one patient agree exactly, or else nearly.
    """

    name: str
    code: NDArray[np.int32]
    share: NDArray[np.float64]
    rank: NDArray[np.float64]
    window: NDArray[np.float64]
    exact: float = _EXACT
    near: float = _NEAR

    @property
    def reach(self) -> float:
        """How far apart in rank near values may be: 0 for a column of levels, where near means nothing."""
        return _reach(self.share)

    @property
    def information(self) -> float:
        """What one value says on average, in nats."""
        return _entropy(self.share) * float((self.code >= 0).mean())

    def weights(self, codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """What each value says of a row, beside rows with `codes`, in nats, shape (codes, values + 1).

        The log of how much likelier the two are if they are one patient's than if they are unrelated. The last
        entry, which the code -1 finds, is for a missing value; it says nothing.
        """
        said = np.full((len(codes), len(self.share) + 1), 1.0 - self.exact - self.near)
        close = np.abs(self.rank[codes][:, None] - self.rank) <= self.reach
        said[:, :-1] += close * (self.near / self.window[codes])[:, None]
        known = np.flatnonzero(codes >= 0)
        said[known, codes[known]] += self.exact / self.share[codes[known]]
        said[:, -1] = 1.0
        said[codes < 0] = 1.0
        logs: NDArray[np.float32] = np.log(said).astype(np.float32)
        return logs

    def learned(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Column:
        """The column with `exact` and `near` as the pairs (first, second) of rows of one patient have them."""
        a, b = self.code[first], self.code[second]
        a, b = a[(a >= 0) & (b >= 0)], b[(a >= 0) & (b >= 0)]
        equal = a == b
        close = (np.abs(self.rank[a] - self.rank[b]) <= self.reach) & ~equal
        chance = float((self.share**2).sum())
        exact = (equal.sum() - chance * len(a)) / (1 - chance) + _PRIOR * _EXACT
        near = close.sum() - len(a) * float((self.share * (self.window - self.share)).sum()) + _PRIOR * _NEAR
        exact, near = (min(max(part / (len(a) + _PRIOR), _LEAST), 1 - 2 * _LEAST) for part in (exact, near))
        scale = min(1.0, (1 - _LEAST) / (exact + near))
        return replace(self, exact=exact * scale, near=near * scale)


def code_columns(x: NDArray[Any], features: tuple[str, ...], most: int) -> list[Column]:
    """The columns of a table, shape (cases, features), that say most; at most `most`, none that never varies.

    Columns that were made from the levels of one text column, such as `sex=F`, become one again.
    """
    names = features or tuple(f"column {number}" for number in range(1, x.shape[1] + 1))
    groups: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        stem, _, level = name.partition("=")
        groups.setdefault(f"{stem}=" if level else name, []).append(at)
    coded = [_code(name.removesuffix("="), x[:, at]) for name, at in groups.items()]
    varied = [column for column in coded if len(column.share) > 1]
    kept = sorted(varied, key=lambda column: -column.information)[:most]
    few = [column for column in kept if len(column.share) <= _FEW]
    if len(few) > _MOST_MERGED:
        return kept
    return [column for column in kept if len(column.share) > _FEW] + _merged(few)


def _merged(columns: list[Column]) -> list[Column]:
    """The columns with those that mostly repeat each other, such as two tests always ordered together, made one."""
    merged: list[Column] = []
    for column in columns:
        twin = next((at for at, other in enumerate(merged) if _shared(column, other) > _REPEATED), None)
        if twin is None:
            merged.append(column)
        else:
            both = np.column_stack([merged[twin].code, column.code]).astype(np.float64)
            both[both < 0] = np.nan
            merged[twin] = _code(f"{merged[twin].name}, {column.name}", both)
    return merged


def _shared(first: Column, second: Column) -> float:
    """The share of the less informative column's information that the other holds."""
    known = (first.code >= 0) & (second.code >= 0)
    wide = len(second.share)
    counts = np.bincount(first.code[known] * wide + second.code[known], minlength=len(first.share) * wide)
    joint = counts.reshape(-1, wide) / max(known.sum(), 1)
    parts = [_entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))]
    return (sum(parts) - _entropy(joint.ravel())) / max(min(parts), 1e-9)


def _entropy(share: NDArray[np.float64]) -> float:
    return float(-(share * np.log(np.maximum(share, 1e-12))).sum())


def _code(name: str, values: NDArray[Any]) -> Column:
    known = np.isfinite(values).all(axis=1)
    kept = values[known, 0] if values.shape[1] == 1 else values[known]
    _, inverse, count = np.unique(kept, axis=0, return_inverse=True, return_counts=True)
    code = np.full(len(values), -1, dtype=np.int32)
    code[known] = inverse.ravel()
    share = count / max(count.sum(), 1)
    rank = np.cumsum(share) - share / 2
    ends = np.concatenate([[0.0], np.cumsum(share)])
    first = np.searchsorted(rank, rank - _reach(share), "left")
    window = ends[np.searchsorted(rank, rank + _reach(share), "right")] - ends[first]
    return Column(name, code, share, rank, window)


def _reach(share: NDArray[np.float64]) -> float:
    return max(_WINDOW, 1.5 * float(share.min())) if len(share) > _FEW else 0.0
