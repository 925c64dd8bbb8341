"""What a learner sees of cases: transformed observations, kept where they fit into memory."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases, Transform

_KEEP_BYTES = 1 << 30


class CaseInputs:
    """Transformed observations by case number, all of them kept if they need less than a gigabyte.

    Args:
        cases: the observations.
        transform: maps them to inputs.
    """

    def __init__(self, cases: Cases, transform: Transform) -> None:
        self._x, self._transform = cases.x, transform

    def __call__(self, index: NDArray[np.int64]) -> Tensor:
        """Inputs of the cases at `index`, float32."""
        if self._kept is not None:
            return self._kept.index_select(0, torch.from_numpy(index))  # half the time of square brackets
        return torch.from_numpy(self._transform(self._x[index]))

    @cached_property
    def _kept(self) -> Tensor | None:
        size = len(self._x) * int(np.prod(self._transform.shape)) * 4
        return torch.from_numpy(self._transform(self._x)) if size <= _KEEP_BYTES else None
