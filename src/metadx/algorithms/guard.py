"""Whether adapting helps the patient at hand, tried on their own latest support cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from metadx.algorithms.algorithm import Algorithm
from metadx.algorithms.context import Context
from metadx.algorithms.engine import home
from metadx.algorithms.estimator import one_thread
from metadx.learners import Tensors
from metadx.tasks import Examples, Task

_HELD_BACK = 1 / 3
_LEAST = 3


class Trial(NamedTuple):
    """What adapting to a patient's earlier support cases was worth on the later ones.

    Args:
        adapted: mean loss on the held-back cases once adapted to the earlier ones.
        base: mean loss on them without adapting.
        cases: how many were held back.
        errors: by how much the kept model was off on each of them, adapted to the earlier ones or to none, shape
            (cases, outputs).
    """

    adapted: float
    base: float
    cases: int
    errors: torch.Tensor

    @property
    def helps(self) -> bool:
        """Whether adapting did no worse."""
        return self.adapted <= self.base


class Guarded(NamedTuple):
    """An adapted model, or the one without adaptation where adapting did harm.

    Args:
        adapted: what the algorithm made of the support cases, or of none.
        trial: what decided; None where it could not be tried, and the support cases were adapted to.
    """

    adapted: Any
    trial: Trial | None

    @property
    def kept_base(self) -> bool:
        """Whether the model is the one without adaptation."""
        return self.trial is not None and not self.trial.helps


def adapt_guarded(
    algorithm: Algorithm, params: Tensors, state: Tensors, support: Examples, *, gap: int = 0
) -> Guarded:
    """Adapts to the support cases, unless adapting to the earlier of them did harm on the later ones.

    It is for targets that mean the same in every task, such as those of patients: only then is there a model
    without adaptation. Where the algorithm has none, because it predicts nothing before it has seen support cases,
    it adapts.

    Args:
        algorithm: inductive.
        params, state: its tensors.
        support: unpadded, in the order of time; the last third is held back.
        gap: cases left out before those held back, where windows overlap.
    """
    trial = try_adapting(algorithm, params, state, support, gap=gap)
    with torch.no_grad():
        shown = support if trial is None or trial.helps else _first(support, 0)
        return Guarded(algorithm.adapt(params, state, shown, Context(np.random.default_rng(0))), trial)


def try_adapting(
    algorithm: Algorithm, params: Tensors, state: Tensors, support: Examples, *, gap: int = 0
) -> Trial | None:
    """Adapts to the earlier support cases, and predicts the later ones with and without.

    Arguments as for `adapt_guarded`. None with fewer than three cases on either side, or where the algorithm
    predicts nothing without support cases.
    """
    held = round(len(support.x) * _HELD_BACK)
    earlier = len(support.x) - held - gap
    if min(held, earlier) < _LEAST:
        return None
    later = Examples(*(t[-held:] for t in support))
    outputs = []
    with torch.no_grad():
        for shown in (_first(support, earlier), _first(support, 0)):
            adapted = algorithm.adapt(params, state, shown, Context(np.random.default_rng(0)))
            outputs.append(algorithm.predict(params, state, adapted, later.x))
    adapted_loss, base_loss = (float(algorithm.loss.value(output, later)) for output in outputs)
    if not np.isfinite(base_loss) or _says_nothing(algorithm, outputs[1]):
        return None
    kept = outputs[0] if adapted_loss <= base_loss else outputs[1]
    kept = torch.softmax(kept, -1) if algorithm.loss.classification else kept
    return Trial(adapted_loss, base_loss, held, kept - later.y)


def as_guarded_predictor(
    algorithm: Algorithm, params: Tensors, state: Tensors, *, gap: int = 0
) -> Callable[[Sequence[Task]], list[Any]]:
    """As `as_predictor`, with every task's adaptation tried on its own later support cases first."""

    def predict(tasks: Sequence[Task]) -> list[Any]:
        outputs = []
        for task in tasks:
            with torch.no_grad(), one_thread():
                here = task.to(home(params, state))
                adapted = adapt_guarded(algorithm, params, state, here.support, gap=gap).adapted
                outputs.append(algorithm.predict(params, state, adapted, here.query.x))
        if algorithm.loss.classification:
            outputs = [torch.softmax(output.cpu().double(), -1) for output in outputs]
        return [output.cpu().numpy() for output in outputs]

    return predict


def _first(support: Examples, count: int) -> Examples:
    return Examples(*(t[:count] for t in support))


def _says_nothing(algorithm: Algorithm, output: torch.Tensor) -> bool:
    """Whether an output without support cases is every class alike, as where ways are those of the support set."""
    return algorithm.loss.classification and bool((output == output[..., :1]).all())
