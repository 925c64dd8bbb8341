"""A diagnoser: a model adapted to a few labelled cases, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from metadx.algorithms import Context, LogisticRegression, adapt_guarded
from metadx.cases import Inputs, fit_table
from metadx.diagnosis.finding import Finding, Similar
from metadx.diagnosis.model import MetaModel, Spec, for_columns, plain_model
from metadx.diagnosis.observing import checked, column_names, name_cases, outputs, similar_cases, threads
from metadx.diagnosis.tried import Tried
from metadx.errors import UserError
from metadx.learners import NamedSettings
from metadx.tasks import make_examples


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
        tried_: what adapting was worth, where conditions are the same in every task.
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
        if self.model is not None and self.model.target is not None:
            raise UserError("this model predicts values and tells no conditions apart; use metadx.Forecaster")
        x = checked(self, self.model, X, y, reset=True)
        return self._adapt(x, column_or_1d(y, warn=True), name_cases(names, len(x)))

    def restore(
        self,
        fitted: MetaModel,
        classes: NDArray[Any],
        counts: Sequence[int],
        adapted: Any,
        support: Support | None = None,
        tried: Tried | None = None,
    ) -> Self:
        """Takes what was made of support cases before.

        Args:
            fitted: the model that made it.
            classes: the conditions, in the order of `adapted`.
            counts: support cases each of them had.
            adapted: what the algorithm made of them.
            support: the support cases, where they are still there.
            tried: what adapting was worth, where that was tried.
        """
        self.classes_, self.counts_ = classes, np.asarray(counts)
        self.fitted_, self.adapted_, self.support_ = fitted, adapted, support
        self.tried_ = tried or Tried()
        if fitted.inputs.rows:
            self.n_features_in_ = len(fitted.inputs.features)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the conditions, shape (cases, conditions), in the order of `classes_`."""
        check_is_fitted(self, "adapted_")
        return self.probabilities(checked(self, self.model, X, reset=False))

    def probabilities(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """As `predict_proba`, for observations such as `Support` holds.

        Raises:
            UserError: they are no numbers.
        """
        logits = torch.from_numpy(outputs(self.fitted_, self.adapted_, x))
        probability: NDArray[np.float64] = torch.softmax(logits, -1)[:, : len(self.classes_)].numpy()
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
        x = checked(self, self.model, X, reset=False)
        said = self.tried_.of_conditions()
        notes = (said,) if said else ()
        return [
            Finding(
                case=name,
                diagnosis=str(self.classes_[p.argmax()]),
                probabilities={str(c): float(v) for c, v in zip(self.classes_, p, strict=True)},
                similar=like,
                notes=notes,
            )
            for name, p, like in zip(
                name_cases(names, len(x)), self.probabilities(x), self._similar(x), strict=True
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
        x, label = checked(self, self.model, X, y, reset=False), column_or_1d(y, warn=True)
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
            (*known.names, *name_cases(names, len(x), after=len(known.x))),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.two_d_array = self.model is None or self.model.inputs.rows
        return tags

    def _adapt(self, x: NDArray[Any], y: NDArray[Any], names: tuple[str, ...]) -> Self:
        check_classification_targets(y)
        if self.model is not None and self.model.conditions:
            return self._adapt_fixed(self.model, x, y, names)
        classes, index = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise UserError(
                f"the support set holds one class only, {classes.tolist()[0]!r}; a diagnosis needs two conditions"
            )
        model = self.model or _plain(x, len(classes), column_names(self, x.shape[1]))
        if model.inputs.open:
            model = for_columns(model, x, column_names(self, x.shape[1]))
        shown = torch.from_numpy(model.inputs.transform(x))
        examples = make_examples(shown, torch.from_numpy(index), len(classes))
        with torch.no_grad(), threads(model):
            adapted = model.algorithm.adapt(
                model.params, model.state, examples, Context(np.random.default_rng(0))
            )
        self.restore(model, classes, np.bincount(index).tolist(), adapted, Support(x, index, names))
        self.probabilities(x)
        return self

    def _adapt_fixed(
        self, model: MetaModel, x: NDArray[Any], y: NDArray[Any], names: tuple[str, ...]
    ) -> Self:
        """Adapts to cases of conditions that are the same in every task, unless that does harm."""
        number = {name: i for i, name in enumerate(model.conditions)}
        unknown = sorted({str(label) for label in y} - number.keys())
        if unknown:
            raise UserError(
                f"the condition '{unknown[0]}' is none that this model was trained with, which are "
                f"{', '.join(model.conditions)}. Name them so, or train with cases of it."
            )
        index = np.array([number[str(label)] for label in y])
        shown = torch.from_numpy(model.inputs.transform(x))
        ways = len(model.conditions)
        order = np.arange(len(x))
        if (
            model.inputs.modality != "signal"
        ):  # rows of a file may be sorted by condition, readings are by time
            order = np.random.default_rng(0).permutation(len(x))
        examples = make_examples(shown[order], torch.from_numpy(index[order]), ways)
        with threads(model):
            adapted, trial = adapt_guarded(model.algorithm, model.params, model.state, examples)
        counts = np.bincount(index, minlength=ways).tolist()
        self.restore(model, np.asarray(model.conditions), counts, adapted, Support(x, index, names))
        if trial is not None:
            self.tried_ = Tried(cases=trial.cases, adapted=trial.adapted, base=trial.base)
        self.probabilities(x)
        return self

    def _similar(self, x: NDArray[Any]) -> list[tuple[Similar, ...]]:
        if self.support_ is None:
            return [()] * len(x)
        known, label, names = self.support_
        return similar_cases(self.fitted_, known, names, [str(c) for c in self.classes_[label]], x)


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


def _kind(labels: NDArray[Any]) -> str:
    kind = labels.dtype.kind
    if kind == "O":
        kind = "U" if all(isinstance(label, str) for label in labels) else "O"
    return {"b": "true or false", "i": "numbers", "u": "numbers", "f": "numbers"}.get(kind, kind)
