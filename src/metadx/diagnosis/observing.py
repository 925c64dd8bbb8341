"""What diagnosers and forecasters share: observations such as their model takes, and what it makes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from metadx.algorithms.estimator import one_thread
from metadx.diagnosis.evidence import nearest_cases, representation
from metadx.diagnosis.finding import Similar
from metadx.diagnosis.model import MetaModel
from metadx.errors import UserError, nearest

_SIMILAR = 3
_AT_ONCE = 512


def checked(
    estimator: Any,
    model: MetaModel | None,
    X: ArrayLike,
    y: ArrayLike | str = "no_validation",
    *,
    reset: bool,
    **checks: Any,
) -> NDArray[Any]:
    """Observations such as the model takes; of no model, or one of open inputs, a table of any columns.

    Args:
        estimator: takes what scikit-learn remembers of its input.
        X: observations, or a data frame, whose columns are found by name.
        y: labels or values, which are checked with them.
        reset: whether the estimator is being fitted.
        checks: further ones, for `validate_data`.

    Raises:
        UserError, ValueError: they are not what the model takes.
    """
    numbers: dict[str, Any] = {"dtype": np.float64, "order": "C", "ensure_all_finite": "allow-nan"} | checks
    if model is None or model.inputs.open:
        return _validated(estimator, X, y, reset, **numbers)
    inputs = model.inputs
    wanted = inputs.shape
    if inputs.rows:
        x = _validated(estimator, _by_name(X, inputs.features), y, reset, **numbers)
    elif inputs.modality == "signal":
        x = np.asarray(X)
        if x.shape[1:] == wanted:
            x = _validated(estimator, X, y, reset, allow_nd=True, dtype=np.float64, order="C", **checks)
    else:
        x = np.asarray(X)
        if x.shape[1:] == wanted:
            x = _validated(estimator, X, y, reset, dtype=None, order="C", allow_nd=True, **checks)
        if x.shape[1:] == wanted and x.dtype != np.uint8:
            raise UserError(
                f"pictures of {x.dtype}, but the model takes uint8, 0 to 255. Convert them with "
                ".astype('uint8') once they are in that range."
            )
    if x.shape[1:] != wanted:
        raise UserError(f"cases of shape {x.shape[1:]}, but the model takes {wanted} ({inputs.modality})")
    return x


def outputs(model: MetaModel, adapted: Any, x: NDArray[Any]) -> NDArray[np.float64]:
    """The model's outputs once adapted, shape (cases, outputs)."""
    parts = []
    with torch.no_grad(), threads(model):
        for some in _batches(x):
            shown = torch.from_numpy(model.inputs.transform(some))
            parts.append(model.algorithm.predict(model.params, model.state, adapted, shown).double().numpy())
    return np.concatenate(parts)


def similar_cases(
    model: MetaModel, known: NDArray[Any], names: Sequence[str], said: Sequence[str], x: NDArray[Any]
) -> list[tuple[Similar, ...]]:
    """The support cases that resemble each case of `x` most, nearest first.

    Args:
        known: the support cases, as they were given.
        names, said: what each is called, and what is known of it.
    """
    shown = torch.from_numpy(model.inputs.transform(known))
    placed = representation(model, shown, shown)
    found = []
    for some in _batches(x):
        query = representation(model, torch.from_numpy(model.inputs.transform(some)), shown)
        for near, far in zip(*nearest_cases(placed, query, _SIMILAR), strict=True):
            found.append(
                tuple(
                    Similar(case=names[i], diagnosis=said[i], distance=round(float(d), 3))
                    for i, d in zip(near, far, strict=True)
                )
            )
    return found


def name_cases(names: Sequence[str] | None, cases: int, after: int = 0) -> tuple[str, ...]:
    """The names given, or numbers that go on after so many."""
    if names is None:
        return tuple(f"case {i}" for i in range(after + 1, after + cases + 1))
    if len(names) != cases:
        raise UserError(f"{cases} cases but {len(names)} names. Give one name per case.")
    return tuple(map(str, names))


def column_names(estimator: Any, columns: int) -> tuple[str, ...]:
    """Names of a table's columns: those of the data frame it was, or numbers."""
    named = getattr(estimator, "feature_names_in_", None)
    return tuple(map(str, named)) if named is not None else tuple(f"x{i}" for i in range(columns))


def threads(model: MetaModel) -> Any:
    """Keeps what is no tensors, such as trees, to one thread."""
    return contextlib.nullcontext() if model.algorithm.tensors else one_thread()


def _validated(estimator: Any, X: Any, y: ArrayLike | str, reset: bool, **checks: Any) -> NDArray[Any]:
    found = validate_data(estimator, X, y, reset=reset, **checks)
    x: NDArray[Any] = found if isinstance(y, str) else found[0]
    return x


def _by_name(X: Any, features: tuple[str, ...]) -> Any:
    """The columns that the model takes, in its order, of a data frame; anything else as it is."""
    named = getattr(X, "columns", None)
    if named is None or not all(isinstance(name, str) for name in named):
        return X
    for name in features:
        if name not in named:
            raise UserError(f"no column '{name}', which the model takes; {nearest(name, named)}")
    return X[list(features)].to_numpy()


def _batches(x: NDArray[Any]) -> list[NDArray[Any]]:
    return [x[at : at + _AT_ONCE] for at in range(0, len(x), _AT_ONCE)]
