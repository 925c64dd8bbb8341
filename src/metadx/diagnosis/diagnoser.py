"""A diagnoser: a model adapted to a few labelled cases, as a scikit-learn classifier."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from metadx.algorithms import LogisticRegression
from metadx.algorithms.estimator import one_thread
from metadx.cases import Inputs, fit_table
from metadx.diagnosis.evidence import nearest_cases, representation
from metadx.diagnosis.finding import Finding, Similar
from metadx.diagnosis.model import MetaModel, Spec, plain_model
from metadx.errors import UserError, nearest
from metadx.learners import NamedSettings
from metadx.tasks import make_examples

_SIMILAR = 3
_AT_ONCE = 512


class Support(NamedTuple):
    """Support cases as they were given.

    Args:
        x: observations, shape (cases, ...).
        label: of their conditions among the diagnoser's classes, shape (cases,).
        names: what findings call them.
    """

    x: NDArray[Any]
    label: NDArray[np.int64]
    names: tuple[str, ...]


class Diagnoser(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Adapts a meta-trained model to a support set and diagnoses new cases.

    It honours scikit-learn's estimator interface: pipelines, cross-validation and grid search take it. Tables may
    be data frames; their columns are then found by name.

    Args:
        model: what was meta-learned. None is the simple thing: logistic regression on the support set alone, for
            tables of any number of columns.

    Attributes:
        classes_: conditions of the support set, sorted.
        counts_: support cases of each.
        n_features_in_: columns of a table.
        fitted_: the model, also where none was given.
        support_: the support cases as they were given; None where they were left out of a bundle.
        adapted_: what the algorithm made of them.
    """

    def __init__(self, model: MetaModel | None = None) -> None:
        self.model = model

    def fit(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> Self:
        """Adapts to support cases.

        Args:
            X: observations, shape (cases, columns), NaN where a value is missing; or pictures, uint8, shape
                (cases, channels, height, width).
            y: their conditions, shape (cases,).
            names: what to call the cases in findings; numbers by default.

        Raises:
            UserError, ValueError: the cases are not what the model takes, or hold fewer than two conditions.
        """
        x = self._checked(X, y, reset=True)
        return self._adapt(x, column_or_1d(y, warn=True), _names(names, len(x)))

    def restore(
        self,
        fitted: MetaModel,
        classes: NDArray[Any],
        counts: Sequence[int],
        adapted: Any,
        support: Support | None = None,
    ) -> Self:
        """Takes what was made of support cases before.

        Args:
            fitted: the model that made it.
            classes: the conditions, in the order of `adapted`.
            counts: support cases each of them had.
            adapted: what the algorithm made of them.
            support: the support cases, where they are still there.
        """
        self.classes_, self.counts_ = classes, np.asarray(counts)
        self.fitted_, self.adapted_, self.support_ = fitted, adapted, support
        if fitted.inputs.rows:
            self.n_features_in_ = len(fitted.inputs.features)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the conditions, shape (cases, conditions), in the order of `classes_`."""
        check_is_fitted(self, "adapted_")
        return self.probabilities(self._checked(X, reset=False))

    def probabilities(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """As `predict_proba`, for observations such as `Support` holds.

        Raises:
            UserError: they are no numbers.
        """
        model = self.fitted_
        parts = []
        with torch.no_grad(), _threads(model):
            for some in _batches(x):
                inputs = torch.from_numpy(model.inputs.transform(some))
                logits = model.algorithm.predict(model.params, model.state, self.adapted_, inputs)
                parts.append(torch.softmax(logits.double(), -1)[:, : len(self.classes_)].numpy())
        probability: NDArray[np.float64] = np.concatenate(parts)
        if not np.isfinite(probability).all():
            raise UserError(
                "the model gives no finite probabilities once adapted to these cases. Train it again with a lower "
                "inner learning rate, or adapt another model."
            )
        return probability

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most likely condition of each case, shape (cases,)."""
        probability = self.predict_proba(X)
        most_likely: NDArray[Any] = self.classes_[probability.argmax(1)]
        return most_likely

    def diagnose(self, X: ArrayLike, names: Sequence[str] | None = None) -> list[Finding]:
        """A finding for each case.

        Args:
            X: observations, as for `fit`.
            names: what to call the cases; numbers by default.
        """
        check_is_fitted(self, "adapted_")
        x = self._checked(X, reset=False)
        return [
            Finding(
                case=name,
                diagnosis=str(self.classes_[p.argmax()]),
                probabilities={str(c): float(v) for c, v in zip(self.classes_, p, strict=True)},
                similar=like,
            )
            for name, p, like in zip(
                _names(names, len(x)), self.probabilities(x), self._similar(x), strict=True
            )
        ]

    def add(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> Diagnoser:
        """A new diagnoser, adapted to more cases, perhaps of more conditions; this one does not change.

        Raises:
            UserError: the support cases were left out of the bundle that this diagnoser is from, or the new labels
                are of another kind, such as numbers beside text.
        """
        check_is_fitted(self, "adapted_")
        known = self.support_
        if known is None:
            raise UserError(
                "the support cases were left out of this bundle, so nothing can be added; adapt the run again to "
                "all cases"
            )
        x, label = self._checked(X, y, reset=False), column_or_1d(y, warn=True)
        if _kind(label) != _kind(self.classes_):
            new, old = label.tolist()[0], self.classes_.tolist()[0]
            raise UserError(f"labels such as {new!r} beside {old!r}: give labels of the same kind as before")
        more = Diagnoser(self.model)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(more, name, getattr(self, name))
        return more._adapt(
            np.concatenate([known.x, x]),
            np.concatenate([self.classes_[known.label], label]),
            (*known.names, *_names(names, len(x), after=len(known.x))),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.two_d_array = self.model is None or self.model.inputs.rows
        return tags

    def _adapt(self, x: NDArray[Any], y: NDArray[Any], names: tuple[str, ...]) -> Self:
        classes, index = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise UserError(
                f"the support set holds one class only, {classes.tolist()[0]!r}; a diagnosis needs two conditions"
            )
        model = self.model or _plain(x, len(classes), _columns(self, x.shape[1]))
        shown = torch.from_numpy(model.inputs.transform(x))
        examples = make_examples(shown, torch.from_numpy(index), len(classes))
        with torch.no_grad(), _threads(model):
            adapted = model.algorithm.adapt(model.params, model.state, examples, rng=np.random.default_rng(0))
        self.restore(model, classes, np.bincount(index).tolist(), adapted, Support(x, index, names))
        self.probabilities(x)
        return self

    def _checked(self, X: ArrayLike, y: ArrayLike | str = "no_validation", *, reset: bool) -> NDArray[Any]:
        """Observations such as the model takes."""
        numbers: dict[str, Any] = {"dtype": np.float64, "order": "C", "ensure_all_finite": "allow-nan"}
        if self.model is None:
            return self._validated(X, y, reset, **numbers)
        inputs = self.model.inputs
        if inputs.rows:
            wanted: tuple[int, ...] = (len(inputs.features),)
            x = self._validated(_by_name(X, inputs.features), y, reset, **numbers)
        else:
            wanted, x = inputs.shape, np.asarray(X)
            if x.shape[1:] == wanted:
                x = self._validated(X, y, reset, dtype=None, order="C", allow_nd=True)
            if x.shape[1:] == wanted and x.dtype != np.uint8:
                raise UserError(
                    f"pictures of {x.dtype}, but the model takes uint8, 0 to 255. Convert them with "
                    ".astype('uint8') once they are in that range."
                )
        if x.shape[1:] != wanted:
            raise UserError(f"cases of shape {x.shape[1:]}, but the model takes {wanted} ({inputs.modality})")
        return x

    def _validated(self, X: Any, y: ArrayLike | str, reset: bool, **checks: Any) -> NDArray[Any]:
        found = validate_data(self, X, y, reset=reset, **checks)
        if isinstance(y, str):
            x: NDArray[Any] = found
            return x
        x, label = found
        check_classification_targets(label)
        return x

    def _similar(self, x: NDArray[Any]) -> list[tuple[Similar, ...]]:
        if self.support_ is None:
            return [()] * len(x)
        model, (known, label, names) = self.fitted_, self.support_
        shown = torch.from_numpy(model.inputs.transform(known))
        placed = representation(model, shown, shown)
        diagnosis = [str(name) for name in self.classes_[label]]
        found = []
        for some in _batches(x):
            query = representation(model, torch.from_numpy(model.inputs.transform(some)), shown)
            for near, far in zip(*nearest_cases(placed, query, _SIMILAR), strict=True):
                found.append(
                    tuple(
                        Similar(case=names[i], diagnosis=diagnosis[i], distance=round(float(d), 3))
                        for i, d in zip(near, far, strict=True)
                    )
                )
        return found


def _threads(model: MetaModel) -> Any:
    """Keeps what is no tensors, such as trees, to one thread."""
    return contextlib.nullcontext() if model.algorithm.tensors else one_thread()


def _plain(x: NDArray[Any], classes: int, columns: tuple[str, ...]) -> MetaModel:
    """Logistic regression on the support set alone."""
    transform = fit_table(x)
    spec = Spec(
        algorithm=NamedSettings(name="logistic_regression"),
        learner=NamedSettings(name="auto"),
        input_shape=transform.shape,
        outputs=classes,
        classes=0,
        seed=0,
    )
    return plain_model(LogisticRegression(), Inputs("table", columns, transform), spec)


def _columns(diagnoser: Diagnoser, columns: int) -> tuple[str, ...]:
    named = getattr(diagnoser, "feature_names_in_", None)
    return tuple(map(str, named)) if named is not None else tuple(f"x{i}" for i in range(columns))


def _by_name(X: Any, features: tuple[str, ...]) -> Any:
    """The columns that the model takes, in its order, of a data frame; anything else as it is."""
    named = getattr(X, "columns", None)
    if named is None or not all(isinstance(name, str) for name in named):
        return X
    for name in features:
        if name not in named:
            raise UserError(f"no column '{name}', which the model takes; {nearest(name, named)}")
    return X[list(features)].to_numpy()


def _names(names: Sequence[str] | None, cases: int, after: int = 0) -> tuple[str, ...]:
    if names is None:
        return tuple(f"case {i}" for i in range(after + 1, after + cases + 1))
    if len(names) != cases:
        raise UserError(f"{cases} cases but {len(names)} names. Give one name per case.")
    return tuple(map(str, names))


def _kind(labels: NDArray[Any]) -> str:
    kind = labels.dtype.kind
    if kind == "O":
        kind = "U" if all(isinstance(label, str) for label in labels) else "O"
    return {"b": "true or false", "i": "numbers", "u": "numbers", "f": "numbers"}.get(kind, kind)


def _batches(x: NDArray[Any]) -> list[NDArray[Any]]:
    return [x[at : at + _AT_ONCE] for at in range(0, len(x), _AT_ONCE)]
