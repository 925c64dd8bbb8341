"""How far from a prediction the truth is expected, from the errors on support cases that were held back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def half_width(errors: ArrayLike, level: float) -> float | None:
    """Half the width of an interval around a prediction that holds the truth in a share `level` of cases.

    It is the size of error that a share `level` of the held-back cases, and the case to come, do not exceed. The
    promise holds as far as cases to come err like those held back, which a change in the patient undoes.

    Args:
        errors: of predictions for cases that the model was not adapted to, shape (cases,).
        level: above 0 and below 1.

    Returns:
        None where there are too few errors for any width: fewer than 9 for 90 %.

    References:
        Lei et al., "Distribution-Free Predictive Inference for Regression", J. Am. Stat. Assoc. 2018, algorithm 2.
    """
    sizes = np.sort(np.abs(np.asarray(errors, dtype=np.float64)).ravel())
    rank = math.ceil((len(sizes) + 1) * level)
    return float(sizes[rank - 1]) if rank <= len(sizes) else None
