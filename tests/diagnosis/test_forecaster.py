"""Models of values: adapted to one patient, guarded, with intervals, in bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from diagnosis.making import COLUMNS, model, rows
from metadx.algorithms import ALGORITHMS, suits
from metadx.cases import Inputs, fit_table
from metadx.cases.preprocess import SignalTransform
from metadx.diagnosis import (
    About,
    Diagnoser,
    Forecaster,
    MetaModel,
    Spec,
    Target,
    Tried,
    half_width,
    load_bundle,
    read_content,
    save_bundle,
)
from metadx.errors import UserError
from metadx.learners import NamedSettings

TARGET = Target(centre=100.0, spread=20.0, quantity="score", unit="points")
VALUES = [name for name in ALGORITHMS if suits(name, False)]


def value_model(name: str = "mixed_effects", kind: str = "table", **settings: Any) -> MetaModel:
    """An untrained model of values; of signals it carries the last sample forward."""
    if kind == "signal":
        transform = SignalTransform(np.array([100.0]), np.array([20.0]), (1, 5))
        taken = Inputs("signal", (), transform, reach=(20.0, 10.0))
        if name in ("mixed_effects", "meta_ridge", "ridge"):
            settings = {"carry": True} | settings
    else:
        taken = Inputs("table", COLUMNS, fit_table(rows(60, 7)))
    spec = Spec(
        algorithm=NamedSettings(name=name, **settings),
        learner=NamedSettings(name="mlp" if kind == "table" else "signalnet", **_LEARNER[kind]),
        input_shape=taken.transform.shape,
        outputs=1,
        classes=0,
        seed=0,
        classification=False,
    )
    algorithm = spec.build()
    about = About(title="Trial", data="made up", source="here", licence="CC0")
    return MetaModel(algorithm, *algorithm.init(np.random.default_rng(0)), taken, spec, about, TARGET)


_LEARNER: dict[str, dict[str, Any]] = {"table": {"hidden": [6]}, "signal": {"width": 4}}


def steady(count: int = 30, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signals whose value to come is a tenth above the last sample."""
    rng = np.random.default_rng(seed)
    x = 100 + 20 * rng.normal(size=(count, 1, 5))
    return x, 1.1 * x[:, 0, -1] + rng.normal(0, 0.5, count)


@parametrize_with_checks([Forecaster()])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    """None of them is exempt."""
    check(estimator)


def test_values_come_in_the_unit_of_the_target_with_an_interval() -> None:
    x, y = steady()
    forecaster = Forecaster(value_model(kind="signal")).fit(x, y)
    new, truth = steady(200, 1)
    assert np.abs(forecaster.predict(new) - truth).mean() < 3
    finding = forecaster.forecast(new, [f"case {i}" for i in range(200)])[0]
    assert (finding.quantity, finding.unit, finding.level) == ("score", "points", 0.9)
    assert finding.adapted
    assert not finding.notes
    assert finding.low is not None
    assert finding.high is not None
    assert finding.low < finding.value < finding.high
    assert finding.high - finding.value == pytest.approx(forecaster.tried_.half)
    inside = [f.low <= t <= f.high for f, t in zip(forecaster.forecast(new), truth, strict=True)]  # type: ignore[operator]
    assert np.mean(inside) > 0.6  # ten errors give 90 % on average, and less or more for one patient
    assert finding.similar[0].diagnosis.endswith(" points")
    assert clone(forecaster).fit(x, y).predict(new).tolist() == forecaster.predict(new).tolist()


def test_a_patient_who_changed_keeps_the_base_and_is_told() -> None:
    x, y = steady()
    y[:20] = 300 - y[:20]
    y[20:] = x[20:, 0, -1]
    forecaster = Forecaster(value_model(kind="signal")).fit(x, y)
    assert forecaster.tried_.kept_base
    finding = forecaster.forecast(x)[-1]
    assert not finding.adapted
    assert finding.value == pytest.approx(x[-1, 0, -1])
    assert finding.notes[0].startswith(
        "Not adapted to this patient: on their latest 10 support cases the model"
    )


def test_times_put_cases_in_order_and_their_reach_lies_before_those_held_back() -> None:
    x, y = steady()
    time = np.arange(30.0) * 10
    order = np.random.default_rng(0).permutation(30)
    sorted_, mixed = (
        Forecaster(value_model(kind="signal")).fit(a, b, time=t)
        for a, b, t in ((x, y, time), (x[order], y[order], time[order]))
    )
    assert sorted_.tried_ == mixed.tried_
    assert sorted_.support_ is not None
    assert sorted_.support_.y.tolist() == y.tolist()
    y[17:20] = 1000.0  # within 30 minutes of those held back
    spoilt = Forecaster(value_model(kind="signal")).fit(x, y, time=time)
    assert spoilt.tried_.adapted == pytest.approx(sorted_.tried_.adapted, rel=0.5)
    with pytest.raises(UserError, match="30 cases but times of shape"):
        Forecaster(value_model(kind="signal")).fit(x, y, time=time[:4])


def test_too_few_cases_for_a_trial_or_an_interval() -> None:
    x, y = steady(5)
    forecaster = Forecaster(value_model(kind="signal")).fit(x, y)
    assert forecaster.tried_ == Tried()
    finding = forecaster.forecast(x)[0]
    assert finding.low is finding.high is None
    assert "Too few support cases to try whether adapting helps" in finding.notes[0]


@pytest.mark.parametrize(("count", "width"), [(8, None), (9, 9.0), (19, 18.0)])
def test_an_interval_needs_nine_errors_for_90_percent(count: int, width: float | None) -> None:
    assert half_width(-np.arange(1.0, count + 1), 0.9) == width


def test_models_of_values_and_of_conditions_are_told_apart() -> None:
    x, y = steady()
    with pytest.raises(
        UserError, match=r"predicts values and tells no conditions apart; use metadx\.Forecaster"
    ):
        Diagnoser(value_model(kind="signal")).fit(x, y > 100)
    with pytest.raises(
        UserError, match=r"tells conditions apart and predicts no values; use metadx\.Diagnoser"
    ):
        Forecaster(model("protonet")).fit(rows(6, 0), np.arange(6.0))
    given = value_model()
    with pytest.raises(UserError, match="a model of values, and no other, has a target"):
        MetaModel(given.algorithm, given.params, given.state, given.inputs)
    with pytest.raises(UserError, match=r"cases of shape \(1, 4\), but the model takes \(1, 5\)"):
        Forecaster(value_model(kind="signal")).fit(x[:, :, :4], y)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("kind", ["table", "signal"])
@pytest.mark.parametrize("name", VALUES)
def test_bundles_give_the_same_values(name: str, kind: str, kept: bool, tmp_path: Path) -> None:
    if kind == "table":
        x = rows(30, 0)
        y = 100 + 5 * np.nan_to_num(x[:, 0])
    else:
        x, y = steady()
    forecaster = Forecaster(value_model(name, kind)).fit(x, y, [f"day {i}" for i in range(30)])
    if not kept and name in ("last_value", "replay"):
        with pytest.raises(UserError, match="compares new cases with its support cases"):
            save_bundle(forecaster, tmp_path / "b", support=False)
        return
    save_bundle(forecaster, tmp_path / "b", support=kept)
    opened = load_bundle(tmp_path / "b")
    assert isinstance(opened, Forecaster)
    np.testing.assert_allclose(opened.predict(x), forecaster.predict(x), rtol=1e-5)
    assert opened.tried_ == forecaster.tried_
    assert opened.count_ == 30
    assert bool(opened.forecast(x)[0].similar) == kept
    card = (tmp_path / "b" / "card.md").read_text()
    assert "score, points, of one patient." in card
    assert "to 30 support cases." in card


def test_the_simple_thing_in_a_bundle(tmp_path: Path) -> None:
    x = rows(30, 0)
    frame = pandas.DataFrame(x, columns=COLUMNS)
    forecaster = Forecaster().fit(frame, 3 * np.nan_to_num(x[:, 1]))
    opened = load_bundle(save_bundle(forecaster, tmp_path / "b"))
    assert isinstance(opened, Forecaster)
    np.testing.assert_allclose(opened.predict(frame), forecaster.predict(frame), rtol=1e-5)
    with pytest.raises(UserError, match="needs them; save it with support=True"):
        save_bundle(forecaster, tmp_path / "c", support=False)


@pytest.mark.parametrize(
    "change",
    [
        {"target": None},
        {"tried": None},
        {"target": {"centre": 0, "spread": 0, "quantity": "", "unit": ""}},
        {"values": [1.0]},
        {"values": ["x"]},
        {"counts": {"": 29}},
        {"counts": {}},
        {"classes": ["a", "b"]},
        {"expected": [[0.0]] * 30},
    ],
)
def test_bundles_of_hostile_hands(change: dict[str, Any], tmp_path: Path) -> None:
    from diagnosis.test_tampering import sign_again

    x, y = steady()
    bundle = save_bundle(Forecaster(value_model(kind="signal")).fit(x, y), tmp_path / "b")
    content = json.loads((bundle / "bundle.json").read_text()) | change
    (bundle / "bundle.json").write_text(json.dumps(content))
    sign_again(bundle)
    with pytest.raises(UserError) as error:
        load_bundle(bundle)
    assert "\n" not in str(error.value)


def test_the_card_says_what_adapting_was_worth(tmp_path: Path) -> None:
    x, y = steady()
    save_bundle(Forecaster(value_model(kind="signal")).fit(x, y), tmp_path / "b")
    card = (tmp_path / "b" / "card.md").read_text()
    assert "Adapting was tried on their latest 10 support cases first: off by" in card
    assert "90% of the errors were no larger" in card
    y[:20] = 300 - y[:20]
    y[20:] = x[20:, 0, -1]
    save_bundle(Forecaster(value_model(kind="signal")).fit(x, y), tmp_path / "c")
    assert "Not adapted to this patient" in (tmp_path / "c" / "card.md").read_text()
    assert read_content(tmp_path / "c")[0].tried.kept_base  # type: ignore[union-attr]


def test_batches_do_not_matter() -> None:
    x, y = steady()
    forecaster = Forecaster(value_model(kind="signal")).fit(x, y)
    many = np.concatenate([x] * 40)
    assert torch.allclose(
        torch.from_numpy(forecaster.predict(many)), torch.from_numpy(np.tile(forecaster.predict(x), 40))
    )
