"""What a learner sees of cases: pictures as they are kept, in bytes, and other observations transformed once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases, Pixels, Transform

_KEEP_BYTES = 1 << 30
_BRIGHTEST = 255.0


def as_inputs(kept: Tensor) -> Tensor:
    """Inputs of a learner: bytes are pixels, which become float32 from 0 to 1; what is no bytes stays as it is."""
    if kept.dtype != torch.uint8:
        return kept
    values = kept.float()
    return values.div_(values.new_full((), _BRIGHTEST))  # a GPU multiplies by the inverse of a plain number


class CaseInputs:
    """Observations by case number: pictures stay in bytes, all others are transformed once and kept if they need
    less than a gigabyte.

    Args:
        cases: the observations.
        transform: maps them to inputs.
    """

    def __init__(self, cases: Cases, transform: Transform) -> None:
        self._x, self._transform = cases.x, transform
        self._pixels = isinstance(transform, Pixels) and cases.x.dtype == np.uint8

    def __call__(self, index: NDArray[np.int64]) -> Tensor:
        """Inputs of the cases at `index`, float32."""
        return as_inputs(self.kept(index))

    def kept(self, index: NDArray[np.int64]) -> Tensor:
        """A copy of what `as_inputs` makes inputs of: pixels of the cases at `index`, uint8, or their inputs."""
        if self._pixels:
            return torch.from_numpy(self._x[index])
        if self._transformed is not None:
            # half the time of square brackets
            return self._transformed.index_select(0, torch.from_numpy(index))
        return torch.from_numpy(self._transform(self._x[index]))

    @cached_property
    def _transformed(self) -> Tensor | None:
        size = len(self._x) * int(np.prod(self._transform.shape)) * 4
        return torch.from_numpy(self._transform(self._x)) if size <= _KEEP_BYTES else None
