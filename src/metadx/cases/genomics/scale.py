"""On what scale expression values are: counts or intensities, their logarithms, or log ratios."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["not logged", "logged", "log ratios or standardised"]

_LOGS_END = 100.0
_SPREAD = 4.0
_AT_FLOOR = 0.01


def find_scale(values: NDArray[Any]) -> tuple[Scale, str]:
    """The scale that values look as if they were on, and why.

    No logarithm of an expression exceeds 100. Below that, values of either sign are log ratios, or were
    standardised; positive ones are logarithms where their 99.9th percentile is at most four times their median,
    since logarithms are not skewed as intensities, counts and ratios are.

    Args:
        values: of any shape, NaN where missing.
    """
    seen = np.asarray(values)[np.isfinite(values)]
    if not len(seen):
        return "not logged", "no value is known"
    least, most = float(seen.min()), float(seen.max())
    if most > _LOGS_END:
        return "not logged", f"the largest value is {most:.6g}"
    if least < 0:
        return "log ratios or standardised", f"values run from {least:.4g} to {most:.4g}"
    middle, top = (float(q) for q in np.quantile(seen, (0.5, 0.999)))
    if top <= _SPREAD * middle:
        return "logged", f"the median is {middle:.3g} and few values exceed {top:.3g}"
    return "not logged", f"positive and skewed: the median is {middle:.3g}, yet some reach {most:.4g}"


def describe_scale(values: NDArray[Any], logged: bool | None) -> tuple[str, ...]:
    """Sentences on the scale and normalisation of values, shape (samples, genes), as they were found.

    Args:
        values: NaN where missing.
        logged: what the caller says of them; None to find out.
    """
    if logged is None:
        scale, why = find_scale(values)
        said = [f"scale found from the values: {scale} ({why})"]
    else:
        said = [f"scale said by the caller: {'logged' if logged else 'not logged'}"]
    seen = values[np.isfinite(values)]
    if len(seen):
        least = seen.min()
        floor = float(np.mean(seen == least))
        if floor > _AT_FLOOR:
            said.append(f"{floor:.0%} of the values are the least one, {least:.4g}")
    alike = (
        " samples share one distribution already (quantile-normalised);" if _one_distribution(values) else ""
    )
    said.append(f"normalisation:{alike} values as the file gives them, nothing done to them")
    return tuple(said)


def _one_distribution(values: NDArray[Any]) -> bool:
    """Whether every sample has the same quartiles, to a thousandth of their spread, and more than one value."""
    if len(values) < 2 or not np.isfinite(values).all():
        return False
    quartiles = np.quantile(values, (0.25, 0.5, 0.75), axis=1)
    spread = float(np.ptp(quartiles.mean(1)))
    return spread > 0 and bool((np.ptp(quartiles, axis=1) <= 1e-3 * spread).all())
