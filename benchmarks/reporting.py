"""Rows of what the benchmarks measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from comparison import Standing, median_interval
from metadx.studies.results import Row, interval_row, write_row

RESULTS = Path(__file__).resolve().parent.parent / "results"
COMMAND = "make bench"


def timed(
    id: str, what: str, turns: Sequence[float], about: str = "", command: str = COMMAND, **rest: Any
) -> None:
    """A row of milliseconds: the median over turns, its interval, and the spread in words."""
    spread = f"{1000 * min(turns):.3g} to {1000 * max(turns):.3g} ms"
    words = "; ".join(part for part in (about, spread) if part)
    row = interval_row(
        id, f"{what} ({words})", "ms", median_interval(turns), command, scale=1000, better="lower", **rest
    )
    _write(row)


def rates(id: str, what: str, turns: Sequence[float], number: int, about: str = "") -> None:
    """A row of episodes per second: the median over turns, each the seconds that so many episodes took."""
    found = median_interval([number / seconds for seconds in turns])
    words = f"{what} ({about})" if about else what
    _write(interval_row(id, words, "episodes per second", found, COMMAND))


def figure(
    id: str, what: str, metric: str, value: float, n: int = 1, command: str = COMMAND, **rest: Any
) -> None:
    """A row of one number."""
    _write(Row(id=id, what=what, metric=metric, value=value, n=n, command=command, **rest))


def missing(id: str, what: str, metric: str, why: str, command: str = COMMAND) -> None:
    """A row that says why there is no number."""
    _write(Row(id=id, what=what, metric=metric, value=None, n=0, command=command, why=why))


def ratio(id: str, what: str, ours: Standing, theirs: Standing, command: str = COMMAND, **rest: Any) -> None:
    """A row of how many times faster we are: the ratio of the medians, its interval over the turns in pairs."""
    pairs = [b / a for a, b in zip(ours.turns, theirs.turns, strict=True)]
    over_pairs = median_interval(pairs)
    middle = median(theirs.turns) / median(ours.turns)
    _write(interval_row(id, what, "times as fast", over_pairs._replace(value=middle), command, **rest))


def _write(row: Row) -> None:
    write_row(RESULTS, row)
    said = f"not run: {row.why}" if row.value is None else f"{row.value:.4g} {row.metric}"
    print(f"{row.id:45s} {said}   {row.what}", flush=True)
