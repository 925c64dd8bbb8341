"""Planning: evidence from cases left out, replays, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metadx.algorithms import NearestCentroid, as_predictor
from metadx.cases import Cases, Provenance
from metadx.evaluation import Expected, Forecast, Outlook
from metadx.studies.planning.evidence import leave_out, mark, pooled
from metadx.studies.planning.extrapolation import Known, above_chance, foresee, share_of
from metadx.studies.planning.history import Past, enough, replay
from metadx.studies.planning.sentences import summarise
from metadx.tasks import ConditionSource


def test_every_case_is_left_out_once_and_never_diagnosed_from_its_own_patient() -> None:
    label = np.repeat([0, 1], 7)
    patient = np.array(["a", "a", "b", "c", "d", "e", "f", *"ghijklm"])
    x = torch.arange(14.0)[:, None]
    tasks = leave_out(x, label, patient, 2)
    asked = torch.cat([task.query.x for task in tasks]).flatten().tolist()
    assert sorted(asked) == list(range(14))
    for task in tasks:
        known = {patient[int(i)] for i in task.support.x}
        assert not known & {patient[int(i)] for i in task.query.x}
        assert (task.support.y.sum(0) > 0).all()


def test_a_condition_with_one_case_keeps_it() -> None:
    tasks = leave_out(torch.zeros(3, 1), np.array([0, 1, 1]), np.array(["a", "b", "c"]), 2)
    assert sum(len(task.query.x) for task in tasks) == 2
    assert leave_out(torch.zeros(2, 1), np.array([0, 1]), np.array(["a", "b"]), 2) == []
    nothing = pooled([], 2)
    assert np.isnan(nothing.accuracy)


@pytest.mark.parametrize("ways", [2, 5])
def test_shares_above_chance_and_back(ways: int) -> None:
    share = np.array([0.0, 0.3, 1 / ways, 0.9, 1.0])
    assert share_of(above_chance(share, 40, ways), 40, ways) == pytest.approx(share)
    assert above_chance(np.array(1 / ways), 7, ways) == pytest.approx(0)


def test_intervals_hold_four_fifths(rng: np.random.Generator) -> None:
    slope = rng.normal(size=3)

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        features = rng.normal(size=(n, 3))
        return features, (features @ slope + rng.normal(size=n))[:, None] + np.array([0.0, 1.0])

    known = Known(*drawn(400), [f"condition {i % 100}" for i in range(400)])
    features, outcome = drawn(400)
    found = [foresee(known, row, lambda z: z) for row in features]
    hold = [f.shares[1].low <= true[1] <= f.shares[1].high for f, true in zip(found, outcome, strict=True)]
    assert 0.74 < np.mean(hold) < 0.88
    assert found[0].gains[1].value == pytest.approx(1)
    few = known._replace(conditions=[f"condition {i % 4}" for i in range(400)])
    wide, narrow = foresee(few, features[0], lambda z: z).shares[0], found[0].shares[0]
    assert wide.high - wide.low > 1.1 * (narrow.high - narrow.low)


def test_replays_grow_from_the_users_counts(rng: np.random.Generator) -> None:
    past = enough(_past(rng), 8)
    assert past is not None
    assert len(past.trained) == 5
    assert enough(_past(rng), 30) is None
    predictor = as_predictor(NearestCentroid(), {}, {})
    found = list(replay(predictor, past, [1, 3, 4], 3, (4, 8), 20, 10, rng))
    assert len(found) == 20
    for one in found:
        assert sorted(one.evidence.total) == [0, 3, 4]
        assert len(one.course) == 3
        assert all((marks.total == one.course[0].total).all() for marks in one.course)
        assert [name in ("c0", "c1") for name in one.conditions] == one.trained.tolist()
    means = np.mean([[marks.accuracy for marks in one.course] for one in found], axis=0)
    assert means[0] < means[2]


def test_marks_of_a_predictor_that_fails() -> None:
    (task,) = leave_out(torch.zeros(4, 1), np.array([0, 0, 1, 1]), np.array([*"abab"]), 2)[:1]
    marks = mark(lambda tasks: [np.full((len(t.query.x), 2), np.nan) for t in tasks], [task])[0]
    assert marks.belief.sum() == pytest.approx(0.5 * marks.total.sum())


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ((0.01, -0.01, 0.02), "More cases will not help: at most +2 points at 50 cases of each condition."),
        ((0.07, 0.02, 0.11), "More cases help: with 50 cases of each condition 85 % right"),
        ((0.04, -0.03, 0.09), "cannot be told: +4 points (−3 to +9)"),
    ],
)
def test_the_verdict(gain: tuple[float, float, float], said: str) -> None:
    def expected(value: float, low: float, high: float) -> Expected:
        return Expected(value=value, low=low, high=high)

    none, right = expected(0, 0, 0), expected(0.85, 0.8, 0.89)
    now = Outlook(shots=None, accuracy=expected(0.78, 0.7, 0.84), gain=none, recall={"a": right, "b": right})
    last = Outlook(shots=50, accuracy=right, gain=expected(*gain), recall={"a": right, "b": right})
    forecast = Forecast(
        title="",
        cases={"a": 5, "b": 5},
        scored=10,
        measured=0.8,
        outlooks=(now, last),
        replays=10,
        conditions={},
        summary=(),
        notes=(),
        command="",
    )
    assert said in " ".join(summarise(forecast))


def _past(rng: np.random.Generator) -> Past:
    """Seven conditions, two of them with few cases."""
    sizes = [24, 24, 24, 24, 24, 6, 6]
    y = np.repeat(np.arange(7), sizes)
    x = rng.normal(0, 1, (7, 4))[y] + rng.normal(0, 1, (len(y), 4))
    patient = np.array([f"p{i}" for i in range(len(y))])
    cases = Cases(x, y, patient, tuple(f"c{i}" for i in range(7)), "table", Provenance("made up"))
    return Past(ConditionSource(cases), np.arange(7) < 2)
