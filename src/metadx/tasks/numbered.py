"""Tasks that hold case numbers in the place of inputs: which cases several of them share can be seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases
from metadx.tasks.task import Examples, Task, make_examples


def numbered_examples(
    cases: Cases, index: NDArray[np.int64], target: tuple[float, float] = (0.0, 1.0)
) -> Examples:
    """Case numbers, shape (cases,), with the targets of the cases.

    Args:
        target: centre and spread that values are standardised by.
    """
    number, y = torch.from_numpy(index), torch.from_numpy(cases.y[index])
    if not cases.regression:
        return make_examples(number, y, len(cases.classes))
    centre, spread = target
    standard = ((y - centre) / spread).float().view(-1, 1)
    return Examples(number, standard, torch.ones(len(index)))


def with_inputs(task: Task, inputs: Callable[[NDArray[np.int64]], Tensor]) -> Task:
    """A task of case numbers with the inputs of those cases."""
    return Task(*(part._replace(x=inputs(part.x.numpy())) for part in task))
