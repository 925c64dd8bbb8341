"""Rows of a table that are more alike than chance explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from metadx.cases.audit.agreement import Column, code_columns
from metadx.cases.audit.chance import PAIRS_PER_CASE, Tail, fit_tail
from metadx.cases.audit.links import Link, Progress, same
from metadx.cases.cases import Cases

_BLOCK = 256
_SAMPLE = 800
_MOST_PAIRS = 10_000_000
_MOST_COLUMNS = 500
_LEAST_PAIRS = 30
_FEWEST = 12


def row_links(cases: Cases, progress: Progress) -> list[Link]:
    """Links between rows: equal ones, and those of two patients that agree too well to be unrelated.

    Agreement counts for more where a value is rare, and for less where columns agree together in rows that are
    unrelated. What is missing in either row says nothing. Rows of one patient are linked only if they are equal.

    References:
        Fellegi and Sunter, A theory for record linkage, JASA 1969.
    """
    twin = same(cases.x)
    columns = code_columns(cases.x, cases.features, _MOST_COLUMNS)
    columns = _learned(columns, cases.patient)
    _, person = np.unique(cases.patient, return_inverse=True)
    tail = _tail(columns, person.ravel())
    near = list(_near(columns, person.ravel(), twin, tail, progress))
    recorded = np.isfinite(cases.x).sum(axis=1)
    return [*_equal(columns, twin, tail, recorded), *near]


def scores(columns: Sequence[Column], rows: NDArray[np.int64], others: slice) -> NDArray[np.float32]:
    """How much likelier each pair is one patient's than unrelated, in nats, shape (rows, others)."""
    total = np.zeros((len(rows), len(range(*others.indices(len(columns[0].code))))), dtype=np.float32)
    for column in columns:
        total += column.weights(column.code[rows])[:, column.code[others]]
    return total


def _tail(columns: Sequence[Column], person: NDArray[np.int64]) -> Tail:
    """What chance gives: at best as if columns were independent, where scores above s have odds below exp(-s)."""
    n = len(person)
    passing = PAIRS_PER_CASE * n
    independent = Tail(float(np.log(max(n * (n - 1) / 2 / passing, 1.0))), passing, 1.0)
    if not columns or len(np.unique(person)) < _FEWEST:
        return independent
    picked = np.sort(np.random.default_rng(0).choice(n, min(n, _SAMPLE, _MOST_PAIRS // n), replace=False))
    sample = scores(columns, picked, slice(None))[person[picked][:, None] != person]
    return max(fit_tail(sample, n, steepest=1.0), independent)


def _learned(columns: list[Column], patient: NDArray[np.str_]) -> list[Column]:
    """The columns as steady as they are in patients who have several rows, if there are enough of those."""
    order = np.argsort(patient, kind="stable")
    again = np.flatnonzero(patient[order][1:] == patient[order][:-1])
    if len(again) < _LEAST_PAIRS:
        return columns
    return [column.learned(order[again], order[again + 1]) for column in columns]


def _near(
    columns: Sequence[Column],
    person: NDArray[np.int64],
    twin: NDArray[np.int64],
    tail: Tail,
    progress: Progress,
) -> Iterator[Link]:
    n = len(twin)
    if not columns:
        return
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        score = scores(columns, rows, slice(start, None))
        first, second = np.nonzero(score >= tail.bound)
        i, j = first + start, second + start
        unlike = (i < j) & (person[i] != person[j]) & (twin[i] != twin[j])
        for a, b, said in zip(i[unlike], j[unlike], score[first, second][unlike], strict=True):
            expected = tail.expected(float(said))
            yield Link((int(a), int(b)), False, True, _words(columns, int(a), int(b), expected), expected)
        progress("comparing rows", len(rows) + start, n)


def _equal(
    columns: Sequence[Column], twin: NDArray[np.int64], tail: Tail, recorded: NDArray[np.int64]
) -> Iterator[Link]:
    for second in np.flatnonzero(twin != np.arange(len(twin))):
        first = int(twin[second])
        score = sum(
            float(c.weights(c.code[[first]])[0, c.code[second]]) for c in columns if c.code[first] >= 0
        )
        expected = tail.expected(score)
        rare = expected <= tail.passing
        odds = "" if rare else ", which chance allows where so few different values are recorded"
        yield Link(
            (first, int(second)),
            True,
            rare,
            f"are equal in all {recorded[first]} recorded values{odds}",
            expected,
        )


def _words(columns: Sequence[Column], a: int, b: int, expected: float) -> str:
    both = [c for c in columns if c.code[a] >= 0 and c.code[b] >= 0]
    agree = sum(int(c.code[a] == c.code[b]) for c in both)
    among = f"{agree} of the {len(both)} columns that both have"
    chance = "fewer than 0.001 pairs" if expected < 1e-3 else f"some {float(f'{expected:.1g}'):g} pairs"
    return f"agree in {among}, where chance would give {chance} in all of these data"
