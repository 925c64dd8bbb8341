"""Models of conditions that are the same in every task: patients, hospitals, genes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from diagnosis.making import given, model, rows
from metadx.diagnosis import Diagnoser, MetaModel, load_bundle, read_content, save_bundle
from metadx.errors import UserError


def elsewhere() -> MetaModel:
    """A model whose outputs are gout, flu, mumps, in that order."""
    meta = model("replay")
    assert meta.spec is not None
    return dataclasses.replace(
        meta, spec=meta.spec.model_copy(update={"conditions": ("gout", "flu", "mumps")})
    )


def test_conditions_keep_their_places_and_may_be_absent() -> None:
    """The model's outputs are gout, flu, mumps, in that order, whatever the support set holds."""
    cases, meta = given(shots=8), elsewhere()
    everyone = Diagnoser(meta).fit(cases.x, cases.y)
    assert everyone.classes_.tolist() == ["gout", "flu", "mumps"]
    assert everyone.counts_.tolist() == [8, 8, 8]
    only = Diagnoser(meta).fit(cases.x[:8], cases.y[:8])
    assert only.counts_.tolist() == [0, 8, 0]
    assert only.predict_proba(cases.query).shape == (6, 3)
    assert {*only.diagnose(cases.query)[0].probabilities} == {"gout", "flu", "mumps"}
    with pytest.raises(
        UserError, match="'plague' is none that this model was trained with, which are gout, flu"
    ):
        Diagnoser(meta).fit(cases.x, np.where(cases.y == "flu", "plague", cases.y))


def test_the_base_is_kept_where_adapting_does_harm_and_findings_and_card_say_so(tmp_path: Path) -> None:
    """Labels that mean nothing: the fitted network is surer than one that was never shown any."""
    rng = np.random.default_rng(0)
    x, y = rows(60, 0), rng.choice(["flu", "gout", "mumps"], 60)
    meta = model("replay")
    wild = dataclasses.replace(meta, algorithm=dataclasses.replace(meta.algorithm, steps=200, lr=0.1))  # type: ignore[type-var]
    diagnoser = Diagnoser(wild).fit(x, y)
    assert diagnoser.tried_.kept_base
    assert (
        diagnoser.diagnose(x[:1])[0]
        .notes[0]
        .startswith("Not adapted: on 20 of the labelled cases, held back")
    )
    nobody = Diagnoser(wild).fit(rows(1, 9), ["flu"])
    assert nobody.tried_.cases == 0
    meta = elsewhere()
    folder = save_bundle(Diagnoser(meta).fit(x, y), tmp_path / "b")
    opened = load_bundle(folder)
    assert isinstance(opened, Diagnoser)
    np.testing.assert_allclose(opened.predict_proba(x), Diagnoser(meta).fit(x, y).predict_proba(x), atol=1e-5)
    assert opened.tried_ == read_content(folder)[0].tried
    assert opened.tried_.cases == 20


def test_rows_sorted_by_condition_are_tried_on_all_of_them() -> None:
    """Of a table the cases held back are drawn, not the last ones, which are often all of one condition."""
    x = rows(60, 0)
    y = np.repeat(["flu", "gout", "mumps"], 20)
    x[:, 0] = np.repeat([3.0, 5.0, 8.0], 20)
    fitted = Diagnoser(model("prior_logistic")).fit(x, y)
    assert fitted.tried_.cases in (0, 20)
    assert not fitted.tried_.kept_base
