"""What `metadx adapt` and `metadx diagnose` print of models of values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from metadx.cases import Observations
    from metadx.diagnosis import Forecaster, ForecastFinding

_SHOWN = 20


def adapted_lines(forecaster: Forecaster) -> Iterator[str]:
    """What adapting to one patient came to."""
    from metadx.diagnosis import LEVEL

    target, tried = forecaster.fitted_.target, forecaster.tried_
    assert target is not None
    unit = f" {target.unit}" if target.unit else ""
    yield f"Predicts {target.quantity or 'a value'} of one patient, from {forecaster.count_} support cases."
    yield tried.sentence(target.unit) or (
        f"On the latest {tried.cases} of them, held back: off by {tried.adapted:.3g}{unit} once adapted to the "
        f"others, by {tried.base:.3g}{unit} without adapting (root mean square)."
    )
    if tried.half is not None:
        yield f"{LEVEL:.0%} intervals reach {tried.half:.3g}{unit} to either side, as on those."


def value_table(findings: Sequence[ForecastFinding]) -> Table:
    """The latest findings; `value_lines` says how many there are."""
    first = findings[0]
    title = f"{first.quantity or 'value'}{f', {first.unit}' if first.unit else ''}"
    table = Table("case", escape(title), f"{first.level:.0%} interval", "most similar known case")
    for finding in findings[-_SHOWN:]:
        inside = f"{finding.low:.4g} to {finding.high:.4g}" if finding.low is not None else "not known"
        like = (
            f"{finding.similar[0].case} ({finding.similar[0].diagnosis})" if finding.similar else "not kept"
        )
        table.add_row(escape(finding.case), f"{finding.value:.4g}", inside, escape(like))
    return table


def value_lines(findings: Sequence[ForecastFinding], cases: Observations, place: object) -> Iterator[str]:
    """What holds for all findings, and how they compare with the values that the file has."""
    if len(findings) > _SHOWN:
        yield f"The latest {_SHOWN} of {len(findings)}; --json prints all."
    yield from findings[0].notes
    known = np.zeros(0, dtype=bool) if cases.value is None else np.isfinite(cases.value)
    if not known.any():
        return
    assert cases.value is not None
    left = np.array([f.value for f in findings])[known] - cases.value[known]
    unit = f" {findings[0].unit}" if findings[0].unit else ""
    line = (
        f"Off by {np.sqrt(np.mean(left**2)):.3g}{unit} (root mean square) on {known.sum()} values in {place}"
    )
    if findings[0].high is not None:
        half = findings[0].high - findings[0].value
        line += f"; {np.mean(np.abs(left) <= half):.0%} of them lie in their intervals"
    yield f"{line}."
