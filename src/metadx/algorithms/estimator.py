"""A scikit-learn classifier on a support set."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from torch import Tensor

from metadx.tasks import Examples


class Fitted(NamedTuple):
    """A fitted classifier, the columns it was shown, and the number of ways of its task."""

    estimator: Any
    columns: NDArray[np.int64]
    ways: int


def fit_estimator(estimator: Any, support: Examples) -> Fitted:
    """Fits a scikit-learn classifier to the flattened support cases, padding left out.

    It is not shown columns in which all support cases are alike: of a handful of cases those are most, they tell
    nothing apart, and every one takes its time.
    """
    real = support.mask.cpu().numpy() > 0
    rows = _rows(support.x)[real]
    differing = np.flatnonzero((rows != rows[:1]).any(0))
    columns = differing if len(differing) else np.arange(1)
    estimator.fit(rows[:, columns], support.y.argmax(-1).cpu().numpy()[real])
    return Fitted(estimator, columns, support.y.shape[-1])


def predict_estimator(model: Fitted, x: Tensor) -> Tensor:
    """Log-probabilities of the ways, shape (cases, ways); very negative for a way without support cases."""
    classes = model.estimator.classes_
    full = np.zeros((len(x), model.ways))
    if len(classes) == 1:  # some give it no column of its own
        full[:, classes] = 1.0
    else:
        full[:, classes] = model.estimator.predict_proba(_rows(x)[:, model.columns])
    return torch.log(torch.from_numpy(full).clamp(min=1e-30)).to(x.dtype)


def one_thread() -> Any:
    """Keeps BLAS and OpenMP to one thread each: on a handful of cases, threads wait for each other up to 20 times
    longer than they work."""
    return _thread_pools().limit(limits=1)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def _rows(x: Tensor) -> NDArray[np.float64]:
    return x.detach().cpu().double().flatten(1).numpy()
