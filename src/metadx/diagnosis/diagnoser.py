"""A diagnoser: a model adapted to a few labelled cases, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from metadx.algorithms import LogisticRegression
from metadx.cases import Inputs, fit_table
from metadx.diagnosis.evidence import nearest_cases, representation
from metadx.diagnosis.finding import Finding, Similar
from metadx.diagnosis.model import MetaModel, Spec, plain_model
from metadx.errors import UserError
from metadx.learners import NamedSettings
from metadx.tasks import make_examples

_SIMILAR = 3


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

    It honours scikit-learn's estimator interface: pipelines, cross-validation and grid search take it.

    Args:
        model: what was meta-learned. None is the simple thing: logistic regression on the support set alone, for
            tables of any number of columns.

    Attributes:
        classes_: conditions of the support set, sorted.
        counts_: support cases of each.
        n_features_in_: columns of a table.
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
        self.classes_, index = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        self.counts_ = np.bincount(index, minlength=len(self.classes_))
        if len(self.classes_) < 2:
            raise UserError(
                f"the support set holds one class only, {self.classes_[0]!r}; a diagnosis needs two conditions"
            )
        called = tuple(names) if names is not None else tuple(f"case {i}" for i in range(1, len(x) + 1))
        if len(called) != len(x):
            raise UserError(f"{len(x)} support cases but {len(called)} names. Give one name per case.")
        self.support_: Support | None = Support(x, index, called)
        self.fitted_ = self.model or plain_model(
            LogisticRegression(),
            Inputs("table", _names(self, x.shape[1]), fit_table(x)),
            Spec(
                algorithm=NamedSettings(name="logistic_regression"),
                learner=NamedSettings(name="auto"),
                input_shape=(x.shape[1],),
                outputs=len(self.classes_),
                classes=0,
                seed=0,
            ),
        )
        model = self.fitted_
        examples = make_examples(self._tensor(x), torch.from_numpy(index), len(self.classes_))
        with torch.no_grad():
            self.adapted_ = model.algorithm.adapt(
                model.params, model.state, examples, rng=np.random.default_rng(0)
            )
            model.algorithm.predict(model.params, model.state, self.adapted_, examples.x[:1])
        return self

    def restore(self, classes: NDArray[Any], counts: Sequence[int], adapted: Any) -> Self:
        """Takes what was made of support cases that are no longer there.

        Args:
            classes: the conditions, in the order of `adapted`.
            counts: support cases each of them had.
            adapted: what the algorithm made of them.
        """
        if self.model is None:
            raise UserError("a diagnoser without a model cannot be restored")
        self.classes_, self.counts_ = classes, np.asarray(counts)
        self.support_, self.fitted_, self.adapted_ = None, self.model, adapted
        if self.model.inputs.modality == "table":
            self.n_features_in_ = len(self.model.inputs.features)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the conditions, shape (cases, conditions), in the order of `classes_`."""
        check_is_fitted(self, "adapted_")
        x = self._tensor(self._checked(X, reset=False))
        model = self.fitted_
        with torch.no_grad():
            logits = model.algorithm.predict(model.params, model.state, self.adapted_, x)
        probability: NDArray[np.float64] = torch.softmax(logits.double(), -1).numpy()
        return probability[:, : len(self.classes_)]

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
        probability = self.predict_proba(X)
        called = names if names is not None else [f"case {i}" for i in range(1, len(probability) + 1)]
        similar = self._similar(X)
        return [
            Finding(
                case=str(name),
                diagnosis=str(self.classes_[p.argmax()]),
                probabilities={str(c): float(v) for c, v in zip(self.classes_, p, strict=True)},
                similar=like,
            )
            for name, p, like in zip(called, probability, similar, strict=True)
        ]

    def add(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> Diagnoser:
        """A new diagnoser, adapted to more cases, perhaps of more conditions; this one does not change.

        Raises:
            UserError: the support cases were left out of the bundle that this diagnoser is from.
        """
        check_is_fitted(self, "adapted_")
        if self.support_ is None:
            raise UserError(
                "the support cases were left out of this bundle, so nothing can be added; adapt the run again to "
                "all cases"
            )
        x, known = self._checked(X, y, reset=False), self.support_
        more = names if names is not None else [f"added case {i}" for i in range(1, len(x) + 1)]
        return Diagnoser(self.model).fit(
            np.concatenate([known.x, x]),
            np.concatenate([self.classes_[known.label], np.asarray(y)]),
            (*known.names, *more),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.two_d_array = self.model is None or self.model.inputs.modality == "table"
        return tags

    def _checked(self, X: ArrayLike, y: ArrayLike | str = "no_validation", *, reset: bool) -> NDArray[Any]:
        """Observations such as the model takes."""
        table = self.model is None or self.model.inputs.modality == "table"
        checks: dict[str, Any] = (
            {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
            if table
            else {"dtype": None, "allow_nd": True}
        )
        found = validate_data(self, X, y, reset=reset, **checks)
        x: NDArray[Any] = found
        if not isinstance(y, str):
            x, label = found
            check_classification_targets(label)
        if self.model is not None:
            inputs = self.model.inputs
            wanted = (len(inputs.features),) if table else inputs.transform.shape
            if x.shape[1:] != wanted:
                raise UserError(
                    f"cases of shape {x.shape[1:]}, but the model takes {wanted} ({inputs.modality})"
                )
        return x

    def _tensor(self, x: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(self.fitted_.inputs.transform(x))

    def _similar(self, X: ArrayLike) -> list[tuple[Similar, ...]]:
        query = self._tensor(self._checked(X, reset=False))
        if self.support_ is None:
            return [()] * len(query)
        shown, names = self._tensor(self.support_.x), self.support_.names
        label = self.classes_[self.support_.label]
        at, far = nearest_cases(
            representation(self.fitted_, shown, shown), representation(self.fitted_, query, shown), _SIMILAR
        )
        return [
            tuple(
                Similar(case=names[i], diagnosis=str(label[i]), distance=round(float(d), 3))
                for i, d in zip(near, how_far, strict=True)
            )
            for near, how_far in zip(at, far, strict=True)
        ]


def _names(diagnoser: Diagnoser, columns: int) -> tuple[str, ...]:
    named = getattr(diagnoser, "feature_names_in_", None)
    return tuple(named) if named is not None else tuple(f"x{i}" for i in range(columns))
