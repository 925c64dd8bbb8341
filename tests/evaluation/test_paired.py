"""Every method on the same episodes, and differences whose sign means better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from contracts.examples import draw_regression, draw_task
from metadx.errors import UserError
from metadx.evaluation import Scores, best, difference, evaluate, from_estimator, mean_interval
from metadx.tasks import Task


def oracle(sure: float) -> object:
    """A predictor that is always right, with probability `sure`."""

    def predict(tasks: Sequence[Task]) -> list[np.ndarray]:
        return [(sure * t.query.y + (1 - sure) * (1 - t.query.y) / (t.ways - 1)).numpy() for t in tasks]

    return predict


def wrong(tasks: Sequence[Task]) -> list[np.ndarray]:
    return [torch.roll(t.query.y, 1, -1).numpy() for t in tasks]


def shifted(by: float) -> object:
    return lambda tasks: [(t.query.y + by).numpy() for t in tasks]


@pytest.fixture
def tasks(rng: np.random.Generator) -> list[Task]:
    return [draw_task(rng, (3,), ways=3 + i % 2) for i in range(70)]


def test_right_and_wrong_predictors_score_one_and_nought(tasks: list[Task]) -> None:
    done: list[int] = []
    names = [[f"c{way}" for way in range(t.ways)] for t in tasks]
    scores = evaluate(oracle(0.9), tasks, conditions=names, progress=done.append)
    for metric in ("accuracy", "balanced_accuracy", "f1", "auroc"):
        assert scores.interval(metric) == pytest.approx((1.0, 1.0, 1.0, 70))
    assert scores.interval("ece").value == pytest.approx(0.1)
    assert scores.metrics == ["accuracy", "balanced_accuracy", "auroc", "f1", "brier", "ece"]
    assert sum(done) == 70
    cases = {f"c{way}": sum(int(t.query.y[:, way].sum()) for t in tasks if way < t.ways) for way in range(4)}
    assert scores.recall == {name: (n, n) for name, n in cases.items()}
    assert evaluate(wrong, tasks).interval("accuracy").value == 0.0


@pytest.mark.parametrize("metric", ["accuracy", "auroc", "f1", "brier"])
def test_above_nought_is_better_whatever_the_metric(metric: str, tasks: list[Task]) -> None:
    good, bad = evaluate(oracle(0.8), tasks), evaluate(wrong, tasks)
    assert difference(good, bad, metric).low > 0
    assert difference(bad, good, metric).high < 0
    assert best({"bad": bad, "good": good}, metric) == "good"


@pytest.mark.parametrize("metric", ["mse", "rmse", "mae"])
def test_a_smaller_error_is_better(metric: str, rng: np.random.Generator) -> None:
    tasks = [draw_regression(rng, (3,)) for _ in range(5)]
    near, far = (evaluate(shifted(by), tasks, classification=False) for by in (0.1, 1.0))
    assert near.interval(metric).value == pytest.approx(0.1**2 if metric == "mse" else 0.1)
    assert difference(near, far, metric).value > 0
    assert best({"far": far, "near": near}, metric) == "near"
    assert near.metrics == ["mse", "rmse", "mae"]


def test_the_difference_is_taken_episode_by_episode(tasks: list[Task]) -> None:
    a, b = (evaluate(from_estimator(lambda c=c: LogisticRegression(C=c)), tasks) for c in (1.0, 0.1))
    expected = mean_interval(a.episode["brier"] - b.episode["brier"])
    found = difference(a, b, "brier")
    assert (found.value, found.low, found.high) == pytest.approx(
        (-expected.value, -expected.high, -expected.low)
    )
    unpaired = a.interval("brier")
    assert found.high - found.low < unpaired.high - unpaired.low


def test_calibration_error_has_no_paired_difference(tasks: list[Task]) -> None:
    scores = evaluate(wrong, tasks)
    with pytest.raises(ValueError, match="many episodes"):
        difference(scores, scores, "ece")


def test_an_estimator_is_fitted_anew_on_every_support_set(tasks: list[Task]) -> None:
    predictor = from_estimator(lambda: KNeighborsClassifier(1))
    for task, found in zip(tasks, predictor(tasks), strict=True):
        nearest = torch.cdist(task.query.x, task.support.x).argmin(1)
        assert np.array_equal(found, task.support.y[nearest].numpy())


def test_an_estimator_that_lacks_a_way_gives_it_no_probability(tasks: list[Task]) -> None:
    task = tasks[0]
    kept = task.support.y[:, 1] == 0
    partial = task._replace(support=type(task.support)(*(t[kept] for t in task.support)))
    [found] = from_estimator(lambda: KNeighborsClassifier(1))([partial])
    assert found.shape == (len(task.query.x), task.ways)
    assert not found[:, 1].any()


def test_a_method_that_gives_no_number_is_never_best_nor_flattered(rng: np.random.Generator) -> None:
    tasks = [draw_regression(rng, (3,)) for _ in range(5)]

    def diverges(tasks: Sequence[Task]) -> list[np.ndarray]:
        return [
            np.full(t.query.y.shape, np.nan if i % 2 else 0.0) + t.query.y.numpy()
            for i, t in enumerate(tasks)
        ]

    broken, far = (
        evaluate(diverges, tasks, classification=False),
        evaluate(shifted(9.0), tasks, classification=False),
    )
    assert broken.interval("mse").value == np.inf
    assert broken.interval("mse").n == 5
    for order in ({"broken": broken, "far": far}, {"far": far, "broken": broken}):
        assert best(order, "mse") == "far"


def test_probabilities_that_are_no_numbers_count_as_knowing_nothing(tasks: list[Task]) -> None:
    scores: Scores = evaluate(lambda ts: [np.full((len(t.query.x), t.ways), np.nan) for t in ts], tasks)
    for metric in ("accuracy", "brier", "auroc"):
        assert scores.interval(metric).n == len(tasks)
    assert scores.interval("brier").value == pytest.approx(np.mean([1 - 1 / t.ways for t in tasks]))
    assert scores.interval("auroc").value == pytest.approx(0.5)


def test_no_tasks_is_refused() -> None:
    with pytest.raises(UserError, match="at least one"):
        evaluate(wrong, [])
