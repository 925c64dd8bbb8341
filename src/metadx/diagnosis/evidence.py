"""The support cases that resemble a new case most, where the model looks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.diagnosis.model import MetaModel
from metadx.learners import Reference


def representation(model: MetaModel, x: Tensor, reference: Tensor) -> Tensor:
    """Where the model places inputs, shape (cases, width): its embedding if it has one, else the inputs.

    Args:
        reference: inputs of the support set, which batch statistics come from.
    """
    algorithm = model.algorithm
    if algorithm.embeds:
        with torch.no_grad():
            shown = Reference(reference, torch.ones(len(reference)))
            tensors = model.params | model.state
            embedding: Tensor = algorithm.net.given(tensors, shown, x)  # type: ignore[attr-defined]
            return embedding
    return x.flatten(1)


def nearest_cases(support: Tensor, query: Tensor, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest support cases of every query case, nearest first, and how far they are; of equals, the first.

    Args:
        support, query: representations, shape (cases, width).
        most: how many.

    Returns:
        Indices and distances, shape (query cases, most or fewer); 1 is the mean distance between support cases.
    """
    a, b = support.double(), query.double()
    apart = torch.pdist(a).mean() if len(a) > 1 else torch.ones(())
    distance = torch.cdist(b, a, compute_mode="donot_use_mm_for_euclid_dist")
    near, at = distance.sort(dim=1, stable=True)
    return at[:, :most].numpy(), (near[:, :most] / (apart if apart > 0 else 1)).numpy()
