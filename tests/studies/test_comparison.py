"""A comparison is paired, tunes on meta-validation alone, and recommends by it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metadx.algorithms import CROSS_ENTROPY, Algorithm, NearestCentroid, ProtoNet, as_predictor
from metadx.algorithms.algorithm import nothing_to_learn
from metadx.errors import UserError
from metadx.evaluation import EvaluationResult, evaluate
from metadx.learners import MLP, Tensors
from metadx.studies import Contender, Plan, Problem, build_problem, compare, exam, parse_recipe
from metadx.studies.contenders import GRIDS
from metadx.studies.study import untrained
from metadx.tasks import ConditionSource, Examples, Task
from studies.making import recipe, write_table

PLAN = Plan(shots=(1, 3), ways=3, query=3, episodes=12, tuning_tasks=5, seed=1)


@final
@dataclass(frozen=True, eq=False)
class Fickle(Algorithm):
    """Nearest centroid for some cases, and the opposite of it for those of `wrong`."""

    consumes: ClassVar = "nothing"
    tensors: ClassVar = False
    wrong: frozenset[bytes] = field(default_factory=frozenset)
    setting: int = 0
    inner: NearestCentroid = field(default_factory=NearestCentroid)
    loss: ClassVar = CROSS_ENTROPY
    exact_gradient: ClassVar = True
    transductive: ClassVar = False

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(self, params: Tensors, state: Tensors, support: Examples, *rest: Any) -> Any:
        return self.inner.adapt(params, state, support), rows(support.x) & self.wrong

    def predict(self, params: Tensors, state: Tensors, adapted: Any, x: Tensor) -> Tensor:
        model, wrong = adapted
        logits = self.inner.predict(params, state, model, x)
        return -logits if wrong else logits

    def update(self, params: Tensors, state: Tensors, item: Any, *rest: Any) -> Any:
        return nothing_to_learn(state)


def rows(x: Tensor) -> frozenset[bytes]:
    return frozenset(row.numpy().tobytes() for row in x)


def all_rows(problem: Problem, side: str) -> frozenset[bytes]:
    (source,) = getattr(problem.splits, side).sources()
    assert isinstance(source, ConditionSource)
    return rows(source.inputs(np.arange(len(source.cases))))


def rows_of(tasks: Sequence[Task]) -> frozenset[bytes]:
    return frozenset().union(*(rows(part.x) for task in tasks for part in task))


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    table = write_table(tmp_path_factory.mktemp("data") / "table.csv")
    return build_problem(parse_recipe(recipe({"csv": str(table)})))


def baselines(problem: Problem) -> list[Contender]:
    made = parse_recipe(recipe({"csv": "unused.csv"}))
    return [untrained(name, made, problem) for name in ("nearest_centroid", "logistic_regression")]


def fickle(name: str, wrong: frozenset[bytes], grid: Any = ({},)) -> Contender:
    return Contender(name, name.title(), Fickle(wrong), {}, {}, grid)


def compared(problem: Problem, contenders: Sequence[Contender], **changes: Any) -> EvaluationResult:
    return compare("A title", problem, contenders, Plan(**{**PLAN.__dict__, **changes}), command="none")


def accuracy(result: EvaluationResult, method: str, shots: int) -> float:
    (value,) = [
        s.value for s in result.scores if (s.method, s.shots, s.metric) == (method, shots, "accuracy")
    ]
    assert value is not None
    return value


def test_every_method_sees_the_same_episodes_and_tuning_sees_no_test_case(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned: list[tuple[str, Sequence[Task]]] = []
    tested: list[Sequence[Task]] = []
    real_tune, real_evaluate = exam.tune, exam.evaluate

    def tune(contender: Contender, tasks: Sequence[Task], *rest: Any) -> Any:
        tuned.append((contender.name, tasks))
        return real_tune(contender, tasks, *rest)

    def evaluate(predictor: Any, tasks: Sequence[Task], **rest: Any) -> Any:
        tested.append(tasks)
        return real_evaluate(predictor, tasks, **rest)

    monkeypatch.setattr(exam, "tune", tune)
    monkeypatch.setattr(exam, "evaluate", evaluate)
    compared(problem, baselines(problem))

    assert [name for name, _ in tuned] == ["nearest_centroid"] * 2 + ["logistic_regression"] * 2
    assert len(tested) == 4
    for a, b in ((0, 2), (1, 3)):  # two methods at each number of shots
        assert tested[a] is tested[b]
        assert tuned[a][1] is tuned[b][1]
        assert len(tested[a]) == 12
        assert len(tuned[a][1]) == 5
    test, validation = all_rows(problem, "test"), all_rows(problem, "validation")
    assert not test & validation
    assert rows_of([task for _, tasks in tuned for task in tasks]) <= validation
    assert rows_of([task for tasks in tested for task in tasks]) <= test


def test_differences_are_paired_episode_by_episode(problem: Problem) -> None:
    """Two methods that are the same differ by nothing at all, not by two draws of episodes."""
    twins = [fickle("one", frozenset()), fickle("two", frozenset())]
    result = compared(problem, twins)
    assert {(d.value, d.low, d.high, d.n) for d in result.differences} == {(0.0, 0.0, 0.0, 12)}
    assert len(result.differences) == 2


def test_a_difference_is_the_mean_of_the_differences(problem: Problem) -> None:
    result = compared(problem, baselines(problem))
    for d in result.differences:
        gap = accuracy(result, d.method, d.shots) - accuracy(result, d.against, d.shots)
        assert d.value == pytest.approx(gap)
        assert d.low is not None
        assert d.high is not None
        assert d.low <= gap <= d.high


def test_the_recommendation_comes_from_meta_validation_whatever_the_test_says(problem: Problem) -> None:
    contenders = [
        fickle(
            "lucky", all_rows(problem, "validation")
        ),  # wrong where it is chosen, right where it is tested
        fickle("sound", all_rows(problem, "test")),  # the other way round
    ]
    result = compared(problem, contenders)
    for shots in (1, 3):
        assert accuracy(result, "lucky", shots) > accuracy(result, "sound", shots)
        assert result.recommended[shots] == "sound"
        assert result.baseline[shots] == "lucky"
    assert result.summary[0].endswith("recommends loses at 1 and 3 labelled cases.")
    assert "Sound" in result.summary[1]
    assert "loses by" in result.summary[1]
    assert "Lucky" in result.summary[1]


def test_tuning_keeps_the_setting_that_did_best(problem: Problem) -> None:
    right, wrong = {"wrong": frozenset()}, {"wrong": all_rows(problem, "validation")}
    tasks = problem.splits.validation.tasks(5)
    for grid in ((right, wrong), (wrong, right)):
        found = exam.tune(fickle("tuned", frozenset(), grid), tasks)
        assert found.settings == right
        assert found.validation.interval("accuracy").value > 0.6


@pytest.mark.parametrize("last", [nn.Identity(), nn.BatchNorm1d(6)], ids=["alone", "batch statistics"])
def test_a_head_sits_the_exam_in_embeddings_and_does_as_on_inputs(problem: Problem, last: nn.Module) -> None:
    drawn = exam.draw_exam(problem, PLAN)
    algorithm = ProtoNet(nn.Sequential(MLP(problem.dimensions.input_shape[0], None, (8, 6)), last))
    params, state = algorithm.init(np.random.default_rng(0))
    outcome = exam.sit(Contender("protonet", "ProtoNet", algorithm, params, state), drawn)
    for shots, found in outcome.test.items():
        plain = evaluate(as_predictor(algorithm, params, state), drawn.test[shots])
        for metric in ("accuracy", "brier"):
            np.testing.assert_allclose(found.episode[metric], plain.episode[metric], atol=1e-6)


def test_tuned_settings_are_reported_for_every_number_of_shots(problem: Problem) -> None:
    result = compared(problem, baselines(problem))
    for method in result.methods:
        assert set(method.settings) == {1, 3}
        assert all(settings in GRIDS[method.name] for settings in method.settings.values())


def test_a_winning_baseline_is_named_in_the_first_sentence(problem: Problem) -> None:
    meta = fickle("meta", all_rows(problem, "validation") | all_rows(problem, "test"))
    object.__setattr__(meta.algorithm, "consumes", "tasks")  # as if it had been meta-trained
    result = compared(problem, [meta, *baselines(problem)])
    assert result.baseline[1] != "meta"
    assert result.recommended[1] != "meta"
    winner = next(m.title for m in result.methods if m.name == result.recommended[1])
    assert "is that baseline at" in result.summary[0]
    assert winner in result.summary[1]
    assert "baseline" in result.summary[1]


def test_the_same_plan_gives_the_same_result(problem: Problem) -> None:
    a, b = (compared(problem, baselines(problem)) for _ in range(2))
    assert a.scores == b.scores
    assert a.conditions == b.conditions
    assert a.calibration == b.calibration
    assert compared(problem, baselines(problem), seed=2).scores != a.scores


def test_every_figure_has_its_interval_and_episodes(problem: Problem) -> None:
    result = compared(problem, baselines(problem))
    assert {s.metric for s in result.scores} == {
        "accuracy",
        "balanced_accuracy",
        "auroc",
        "f1",
        "brier",
        "ece",
    }
    for s in result.scores:
        assert s.n == 12
        assert s.value is not None
        assert s.low is not None
        assert s.high is not None
    assert result.protocol.query == 3
    assert result.protocol.mode == "inductive"
    for c in result.conditions:
        assert 0 <= c.right <= c.total
    total = sum(c.total for c in result.conditions if (c.method, c.shots) == ("nearest_centroid", 1))
    assert total == 12 * 3 * 3
    cases = sum(b.cases for b in result.calibration if (b.method, b.shots) == ("nearest_centroid", 1))
    assert cases == total


def test_progress_counts_up_to_the_total(problem: Problem) -> None:
    seen: list[tuple[str, int, int]] = []
    compare(
        "t", problem, baselines(problem), PLAN, command="none", progress=lambda *record: seen.append(record)
    )
    titles = ("Nearest centroid", "Logistic regression")
    wanted = {f"{title} · {shots}" for title in titles for shots in ("1 shot", "3 shots")}
    assert {what for what, _, _ in seen} == wanted
    for what in wanted:
        counts = [(done, total) for w, done, total in seen if w == what]
        assert counts == sorted(counts)
        assert counts[-1][0] == counts[-1][1] > 0


def test_episodes_that_cannot_be_drawn_say_what_can(problem: Problem) -> None:
    with pytest.raises(
        UserError, match=r"cannot draw 3 ways x 30 shots.* Possible: (\d+) shots at 3 ways"
    ) as error:
        compared(problem, baselines(problem), shots=(30,))
    possible = int(str(error.value).split("Possible: ")[1].split()[0])
    assert compared(problem, baselines(problem), shots=(possible,)).scores
    with pytest.raises(UserError):
        compared(problem, baselines(problem), shots=(possible + 1,))


def test_predictions_that_are_no_numbers_do_not_win(problem: Problem) -> None:
    @final
    @dataclass(frozen=True, eq=False)
    class Broken(Fickle):
        def predict(self, params: Tensors, state: Tensors, adapted: Any, x: Tensor) -> Tensor:
            return torch.full_like(super().predict(params, state, adapted, x), float("nan"))

    broken = Contender("broken", "Broken", Broken(), {}, {})
    result = compared(problem, [broken, *baselines(problem)])
    assert "broken" not in {*result.recommended.values(), *result.baseline.values()}
    assert accuracy(result, "broken", 1) == pytest.approx(1 / 3, abs=0.1)
