"""A diagnoser as scikit-learn sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from diagnosis.making import COLUMNS, diagnoser, given, model
from metadx.diagnosis import Diagnoser
from metadx.errors import UserError


@parametrize_with_checks([Diagnoser()])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    """None of them is exempt."""
    check(estimator)


@pytest.mark.parametrize("name", ["protonet", "maml", "meta_committee"])
def test_pipelines_searches_and_clones_take_it(name: str) -> None:
    cases, meta = given(shots=4), model(name)
    scores = cross_val_score(Diagnoser(meta), cases.x, cases.y, cv=2)
    assert scores.shape == (2,)
    fitted = Diagnoser(meta).fit(cases.x, cases.y)
    again = clone(fitted)
    assert not hasattr(again, "adapted_")
    again.fit(cases.x, cases.y)
    np.testing.assert_array_equal(again.predict_proba(cases.query), fitted.predict_proba(cases.query))
    search = GridSearchCV(Diagnoser(), {"model": [None, meta]}, cv=2).fit(cases.x, cases.y)
    assert set(search.predict(cases.query)) <= set(cases.y)


def test_the_last_step_of_a_pipeline() -> None:
    cases = given(shots=4)
    pipeline = make_pipeline(StandardScaler(), Diagnoser()).fit(cases.x, cases.y)
    assert pipeline.predict_proba(cases.query).shape == (6, 3)


def test_columns_of_a_data_frame_are_found_by_name() -> None:
    cases, fitted = given(), diagnoser()
    frame = pandas.DataFrame(cases.query, columns=COLUMNS)
    frame["ward"] = "north"
    shuffled = frame[["ward", *reversed(COLUMNS)]]
    np.testing.assert_array_equal(fitted.predict_proba(shuffled), fitted.predict_proba(cases.query))
    Diagnoser(fitted.model).fit(pandas.DataFrame(cases.x, columns=COLUMNS)[list(reversed(COLUMNS))], cases.y)
    with pytest.raises(UserError, match="no column 'TSH', which the model takes; did you mean 'tsh'"):
        fitted.predict(frame.rename(columns={"TSH": "tsh"}))


def test_pictures_are_bytes() -> None:
    fitted, cases = diagnoser(kind="image"), given("image")
    for wrong in (cases.query / 255.0, cases.query.astype(np.int64)):
        with pytest.raises(UserError, match="but the model takes uint8, 0 to 255"):
            fitted.predict_proba(wrong)
    with pytest.raises(UserError, match=r"cases of shape \(1, 4, 8\), but the model takes \(1, 8, 8\)"):
        fitted.predict_proba(cases.query[:, :, :4])


@pytest.mark.parametrize("kind", ["table", "image"])
def test_cases_of_another_modality(kind: Any) -> None:
    other = given("image" if kind == "table" else "table")
    with pytest.raises(
        ValueError, match=r"with dim 4|cases of shape \(3,\), but the model takes \(1, 8, 8\)"
    ):
        diagnoser(kind=kind).predict_proba(np.nan_to_num(other.query))
