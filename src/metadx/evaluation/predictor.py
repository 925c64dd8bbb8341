"""What can be evaluated: anything that maps tasks to predictions for their query cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.tasks import Task

Predictor = Callable[[Sequence[Task]], Sequence[NDArray[Any]]]
"""Maps tasks to arrays, shape (query cases, ways) of probabilities, or (query cases, outputs) of values."""


def from_estimator(make: Callable[[], Any]) -> Predictor:
    """A predictor from a scikit-learn classifier, made anew and fitted on every task's support set."""

    def predict(tasks: Sequence[Task]) -> list[NDArray[Any]]:
        found = []
        for task in tasks:
            support = task.support
            labels = support.y.argmax(-1).numpy()
            model = make().fit(support.x.flatten(1).numpy(), labels)
            probability = np.zeros((len(task.query.x), task.ways))
            probability[:, model.classes_] = model.predict_proba(task.query.x.flatten(1).numpy())
            found.append(probability)
        return found

    return predict
