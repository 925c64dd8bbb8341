"""A forecaster: a model adapted to a patient's first values, as a scikit-learn regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from metadx.algorithms import Ridge, Trial, adapt_guarded
from metadx.cases import Inputs, fit_table
from metadx.diagnosis.finding import ForecastFinding, Similar
from metadx.diagnosis.interval import half_width
from metadx.diagnosis.model import MetaModel, Spec, plain_model
from metadx.diagnosis.observing import checked, column_names, name_cases, outputs, similar_cases, threads
from metadx.diagnosis.target import Target
from metadx.diagnosis.tried import Tried
from metadx.errors import UserError
from metadx.learners import NamedSettings
from metadx.tasks import Examples

LEVEL = 0.9
"""The share of values that intervals hold."""


class Values(NamedTuple):
    """Support cases as they were given, in the order of time.

    Args:
        x: observations, shape (cases, ...).
        y: their values, shape (cases,).
        names: what findings call them.
    """

    x: NDArray[Any]
    y: NDArray[np.float64]
    names: tuple[str, ...]


class Forecaster(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Adapts a meta-trained model of values to one patient's first cases, and predicts later ones.

    The latest third of the support cases is held back first: where adapting to the earlier ones did harm on them,
    the model stays as it is, and findings say so. Their errors also give the width of the intervals.

    It honours scikit-learn's estimator interface. Tables may be data frames; their columns are then found by name.

    Args:
        model: what was meta-learned. None is the simple thing: ridge regression on the support set alone, for
            tables of any number of columns.

    Attributes:
        n_features_in_: columns of a table.
        fitted_: the model, also where none was given.
        support_: the support cases as they were given; None where they were left out of a bundle.
        adapted_: what the algorithm made of them.
        tried_: what adapting was worth.
        count_: how many support cases there were.
    """

    def __init__(self, model: MetaModel | None = None) -> None:
        self.model = model

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        names: Sequence[str] | None = None,
        time: ArrayLike | None = None,
    ) -> Self:
        """Adapts to support cases of one patient.

        Args:
            X: observations, shape (cases, ...), NaN where the value of a column is missing.
            y: their values, in the unit of the target, shape (cases,).
            names: what to call the cases in findings; numbers by default.
            time: when they were observed, shape (cases,), in the unit of the model's reach; without it a column of
                them says it, or they are in the order of time.

        Raises:
            UserError, ValueError: the cases are not what the model takes, or a value is no number.
        """
        if self.model is not None and self.model.target is None:
            raise UserError("this model tells conditions apart and predicts no values; use metadx.Diagnoser")
        x = checked(self, self.model, X, y, reset=True, y_numeric=True)
        value = np.asarray(column_or_1d(y, warn=True), dtype=np.float64)
        model = self.model or _plain(x, value, column_names(self, x.shape[1]))
        when = _times(model, x, time)
        order = np.arange(len(x)) if when is None else np.argsort(when, kind="stable")
        given = name_cases(names, len(x))
        support = Values(x[order], value[order], tuple(given[i] for i in order))
        return self._adapt(model, support, 0 if when is None else _gap(model, when[order]))

    def restore(
        self, fitted: MetaModel, adapted: Any, tried: Tried, count: int, support: Values | None = None
    ) -> Self:
        """Takes what was made of support cases before.

        Args:
            fitted: the model that made it.
            adapted: what the algorithm made of them.
            tried: what adapting was worth.
            count: how many support cases there were.
            support: the support cases, where they are still there.
        """
        self.fitted_, self.adapted_, self.tried_ = fitted, adapted, tried
        self.count_, self.support_ = count, support
        if fitted.inputs.rows:
            self.n_features_in_ = len(fitted.inputs.features)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The value of each case, in the unit of the target, shape (cases,)."""
        check_is_fitted(self, "adapted_")
        return self.values(checked(self, self.model, X, reset=False))

    def values(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """As `predict`, for observations such as `Values` holds.

        Raises:
            UserError: they are no numbers.
        """
        target = _target(self.fitted_)
        found: NDArray[np.float64] = (
            outputs(self.fitted_, self.adapted_, x)[:, 0] * target.spread + target.centre
        )
        if not np.isfinite(found).all():
            raise UserError(
                "the model gives no finite values once adapted to these cases. Train it again with a lower "
                "learning rate, or adapt another model."
            )
        return found

    def forecast(self, X: ArrayLike, names: Sequence[str] | None = None) -> list[ForecastFinding]:
        """A finding for each case.

        Args:
            X: observations, as for `fit`.
            names: what to call the cases; numbers by default.
        """
        check_is_fitted(self, "adapted_")
        x = checked(self, self.model, X, reset=False)
        target, half = _target(self.fitted_), self.tried_.half
        note = self.tried_.sentence(target.unit)
        return [
            ForecastFinding(
                case=name,
                value=float(value),
                low=None if half is None else float(value - half),
                high=None if half is None else float(value + half),
                level=LEVEL,
                quantity=target.quantity,
                unit=target.unit,
                adapted=not self.tried_.kept_base,
                similar=like,
                notes=(note,) if note else (),
            )
            for name, value, like in zip(
                name_cases(names, len(x)), self.values(x), self._similar(x), strict=True
            )
        ]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.two_d_array = self.model is None or self.model.inputs.rows
        return tags

    def _adapt(self, model: MetaModel, support: Values, gap: int) -> Self:
        target = _target(model)
        standard = torch.from_numpy((support.y - target.centre) / target.spread).float().view(-1, 1)
        shown = torch.from_numpy(model.inputs.transform(support.x))
        examples = Examples(shown, standard, torch.ones(len(shown)))
        with threads(model):
            adapted, trial = adapt_guarded(model.algorithm, model.params, model.state, examples, gap=gap)
        self.restore(model, adapted, _told(trial, target), len(support.y), support)
        self.values(support.x)
        return self

    def _similar(self, x: NDArray[Any]) -> list[tuple[Similar, ...]]:
        if self.support_ is None:
            return [()] * len(x)
        known, y, names = self.support_
        unit = _target(self.fitted_).unit
        return similar_cases(self.fitted_, known, names, [f"{v:.4g} {unit}".strip() for v in y], x)


def _told(trial: Trial | None, target: Target) -> Tried:
    if trial is None:
        return Tried()
    half = half_width(trial.errors.numpy(), LEVEL)
    return Tried(
        cases=trial.cases,
        adapted=target.spread * trial.adapted**0.5,
        base=target.spread * trial.base**0.5,
        half=None if half is None else target.spread * half,
    )


def _times(model: MetaModel, x: NDArray[Any], time: ArrayLike | None) -> NDArray[np.float64] | None:
    """When each case was observed, where that is known."""
    if time is not None:
        when = np.asarray(time, dtype=np.float64)
        if when.shape != (len(x),) or not np.isfinite(when).all():
            raise UserError(f"{len(x)} cases but times of shape {when.shape}. Give one time per case.")
        return when
    column = model.inputs.time
    return None if column is None else np.asarray(x[:, column], dtype=np.float64)


def _gap(model: MetaModel, time: NDArray[np.float64]) -> int:
    """How many cases lie within the reach of a case: they are left out before those held back."""
    apart = np.diff(time)
    usual = float(np.median(apart)) if len(apart) else 0.0
    reach = sum(model.inputs.reach)
    return round(reach / usual) if usual > 0 and reach else 0


def _target(model: MetaModel) -> Target:
    assert model.target is not None
    return model.target


def _plain(x: NDArray[Any], y: NDArray[np.float64], columns: tuple[str, ...]) -> MetaModel:
    """Ridge regression on the support set alone."""
    transform = fit_table(x)
    spread = float(y.std())
    spec = Spec(
        algorithm=NamedSettings(name="ridge"),
        learner=NamedSettings(name="auto"),
        input_shape=transform.shape,
        outputs=1,
        classes=0,
        seed=0,
        classification=False,
    )
    target = Target(centre=float(y.mean()), spread=spread if spread > 0 else 1.0)
    return plain_model(Ridge(), Inputs("table", columns, transform), spec, target)
