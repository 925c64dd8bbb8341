"""What an algorithm may know about the moment at which it adapts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metadx.learners import Reference


class Context(NamedTuple):
    """The circumstances of one adaptation or update.

    Args:
        rng: randomness of the adaptation.
        step: outer step, for what changes during training.
        train: whether this is meta-training.
        query: inputs of the query set, for transductive algorithms only.
    """

    rng: np.random.Generator | None = None
    step: int = 0
    train: bool = False
    query: Reference | None = None


EVALUATING = Context()
"""After training, one task at a time, nothing random."""
