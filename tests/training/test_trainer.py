"""The outer loop: what it keeps, when it stops, and that equal runs are equal to the byte."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metadx.algorithms import MAML, FineTune, NearestCentroid, ProtoNet, Reptile
from metadx.errors import Notice, UserError
from metadx.training import Diverged, Record, TrainingSettings, feed_for, metrics_file, train, trainer
from training.making import dataset, network, tasks

SHORT = TrainingSettings(iterations=6, meta_batch=3, validate_every=2)


def run(
    settings: TrainingSettings,
    algorithm: Any = None,
    validation: int = 3,
    listeners: Sequence[Any] = (),
    **how: Any,
) -> Any:
    algorithm = algorithm or MAML(network(), 0.1, 1)
    return train(algorithm, feed_for(algorithm, dataset()), tasks(validation), settings, listeners, **how)


def scripted(monkeypatch: pytest.MonkeyPatch, scores: Sequence[float]) -> None:
    """Makes the validations of a run come out as the given scores, the first one before training."""
    script = iter(scores)
    monkeypatch.setattr(trainer, "validate", lambda *_: next(script))


@pytest.mark.parametrize("kind", ["maml", "reptile", "protonet", "fine_tune"])
def test_equal_settings_give_equal_bytes(kind: str, tmp_path: Path) -> None:
    def once(name: str) -> tuple[dict[str, torch.Tensor], bytes]:
        algorithm = {
            "maml": lambda: MAML(network(), 0.1, 2),
            "reptile": lambda: Reptile(network()),
            "protonet": lambda: ProtoNet(network(None)),
            "fine_tune": lambda: FineTune(network(None), width=8, classes=6),
        }[kind]()
        with metrics_file(tmp_path / name) as to_file:
            trained = run(SHORT, algorithm, listeners=[to_file])
        return trained.params | trained.state, (tmp_path / name).read_bytes()

    (a, first), (b, second) = once("a"), once("b")
    assert first == second
    assert len(first.splitlines()) == 6
    assert a.keys() == b.keys()
    assert all(x.numpy().tobytes() == b[name].numpy().tobytes() for name, x in a.items())


def test_another_seed_gives_other_weights() -> None:
    a, b = (run(TrainingSettings(iterations=2, meta_batch=2, seed=seed), validation=0) for seed in (0, 1))
    assert any(not torch.equal(x, b.params[name]) for name, x in a.params.items())


def test_global_generators_change_nothing() -> None:
    first = run(SHORT).params
    np.random.seed(9)  # noqa: NPY002
    torch.manual_seed(9)
    assert all(torch.equal(x, first[name]) for name, x in run(SHORT).params.items())


def test_training_helps() -> None:
    before = run(TrainingSettings(iterations=0), validation=60)
    after = run(
        TrainingSettings(iterations=80, meta_batch=8, lr=0.01, validate_every=20),
        validation=60,
    )
    assert before.step == 0
    assert after.score > before.score + 0.05


def test_the_module_that_was_given_stays_as_it_is() -> None:
    module = network()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    trained = run(SHORT, MAML(module, 0.1, 1), validation=0)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert any(not torch.equal(v, before[k]) for k, v in trained.params.items())


def test_the_parameters_that_validated_best_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(iterations=5, meta_batch=2, validate_every=1)
    kept: list[dict[str, torch.Tensor]] = []
    monkeypatch.setattr(
        trainer,
        "validate",
        lambda engine, params, *_: kept.append(params) or [0, 3, 9, 4, 9, 1][len(kept) - 1],
    )
    trained = run(settings)
    assert (trained.step, trained.score) == (2, 9)
    assert all(torch.equal(v, kept[2][k]) for k, v in trained.params.items())
    assert any(not torch.equal(v, kept[3][k]) for k, v in trained.params.items())
    assert [r["validation"] for r in trained.history] == [3, 9, 4, 9, 1]


def test_nothing_better_than_the_start_gives_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0.5, 0.4, 0.3, 0.2])
    module = network()
    trained = run(SHORT, MAML(module, 0.1, 1))
    assert trained.step == 0
    assert all(torch.equal(v, trained.params[k]) for k, v in module.named_parameters())


def test_patience_counts_validations_without_a_better_score(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0, 1, 0, 2, 2, 1, 9, 9])
    steps: list[float] = []
    settings = TrainingSettings(iterations=40, meta_batch=2, validate_every=1, patience=2)
    trained = run(settings, listeners=[lambda record: steps.append(record["step"])])
    assert trained.step == 3
    assert steps == [1, 2, 3, 4, 5]


def test_a_score_that_is_no_number_is_worse_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [float("nan"), float("nan"), 0.3, float("nan")])
    trained = run(SHORT)
    assert (trained.step, trained.score) == (4, 0.3)


def test_without_validation_the_last_parameters_are_kept() -> None:
    trained = run(SHORT, validation=0)
    assert trained.step == 6
    assert trained.score == float("-inf")


def test_the_clock_stops_training_cleanly() -> None:
    ticks = itertools.count()
    steps: list[Record] = []
    settings = TrainingSettings(iterations=1000, meta_batch=2, validate_every=500, max_seconds=12)
    trained = run(settings, listeners=[steps.append], clock=lambda: float(next(ticks)))
    assert 2 <= len(steps) < 10
    assert "validation" in steps[-1]
    assert "validation" not in steps[0]
    assert len(trained.history) == 1


def test_listeners_get_every_step() -> None:
    records: list[Record] = []
    run(
        TrainingSettings(iterations=5, meta_batch=2, validate_every=2, lr=0.1, schedule="linear"),
        listeners=[records.append],
    )
    assert [r["step"] for r in records] == [1, 2, 3, 4, 5]
    assert [r["step"] for r in records if "validation" in r] == [2, 4, 5]
    assert [r["lr"] for r in records] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02])
    assert all(r["tasks_per_second"] > 0 and np.isfinite(r["loss"]) and 0 <= r["score"] <= 1 for r in records)


def test_clip_limits_the_norm_of_the_direction() -> None:
    def moved(clip: float | None) -> float:
        module = network()
        settings = TrainingSettings(iterations=1, meta_batch=2, optimizer="sgd", lr=1.0, clip=clip)
        after = run(settings, MAML(module, 0.1, 1), validation=0).params
        return (
            torch.cat([(after[k] - v).detach().flatten() for k, v in module.named_parameters()]).norm().item()
        )

    free = moved(None)
    assert free > 0.05
    assert moved(0.05) == pytest.approx(0.05, rel=1e-4)
    assert moved(100.0) == pytest.approx(free)


def test_a_direction_too_long_for_float32_can_be_clipped_and_otherwise_ends_the_run() -> None:
    class Steep(FineTune):
        def update(self, params: Any, state: Any, item: Any, context: Any = None) -> Any:
            direction, state, metrics = super().update(params, state, item, context)
            return {k: 1e25 * torch.ones_like(v) for k, v in direction.items()}, state, metrics

    algorithm = Steep(network(None), width=8, classes=6)
    settings = TrainingSettings(iterations=1, meta_batch=6, optimizer="sgd", lr=1.0)
    with pytest.raises(Diverged, match=r"became \d.*e\+\d+ at step 1\. .*set `clip` to 10"):
        run(settings, algorithm, validation=0)
    before, _ = algorithm.init(np.random.default_rng(np.random.SeedSequence(0).spawn(2)[1]))
    after = run(settings.model_copy(update={"clip": 10.0}), algorithm, validation=0).params
    moved = torch.cat([(after[k] - v).flatten() for k, v in before.items()])
    assert moved.norm().item() == pytest.approx(10.0, rel=1e-4)


def test_weight_decay_shrinks_what_has_no_gradient() -> None:
    settings = {"iterations": 4, "meta_batch": 2, "optimizer": "sgd", "lr": 0.1}
    plain = run(TrainingSettings(**settings), validation=0).params
    decayed = run(TrainingSettings(**settings, weight_decay=1.0), validation=0).params
    assert sum(v.norm() for v in decayed.values()) < 0.9 * sum(v.norm() for v in plain.values())


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_divergence_says_where_and_what_to_do(value: str) -> None:
    module = network()
    with torch.no_grad():
        next(module.parameters())[0, 0] = float(value)
    records: list[Record] = []
    said = r"no task of 5 batches in a row gave a finite direction, the last at step 5\. Lower the outer"
    with (
        pytest.warns(Notice, match=r"step \d: what task 1 of 3, conditions \(conditions "),
        pytest.raises(Diverged, match=said) as error,
    ):
        run(SHORT, MAML(module, 0.1, 1), validation=0, listeners=[records.append])
    assert [record["left_out"] for record in records] == [3, 3, 3, 3]
    assert isinstance(error.value, UserError)


def test_an_algorithm_that_learns_from_nothing_is_given_back() -> None:
    records: list[Record] = []
    trained = run(SHORT, NearestCentroid(), listeners=[records.append])
    assert trained.params == {}
    assert trained.step == 0
    assert 0 < trained.score <= 1
    assert records == []


def test_an_algorithm_that_learns_from_cases_gets_all_conditions_equally_often() -> None:
    algorithm = FineTune(network(None), width=8, classes=6)
    batch = feed_for(algorithm, dataset())(np.random.default_rng(0), 600)
    assert batch.y.shape == (600, 6)
    assert batch.y.sum(0).min() > 60
    records: list[Record] = []
    run(
        TrainingSettings(iterations=60, meta_batch=16, lr=0.02),
        algorithm,
        validation=0,
        listeners=[records.append],
    )
    assert np.mean([r["loss"] for r in records[-10:]]) < 0.8 * np.mean([r["loss"] for r in records[:10]])


def test_regression_scores_are_negative_errors() -> None:
    from metadx.algorithms import SQUARED_ERROR
    from metadx.learners import MLP
    from metadx.tasks import MetaDataset, Shape, SinusoidSource

    sines = MetaDataset("train", [SinusoidSource()], Shape(shots=5, query=5))
    algorithm = MAML(MLP(1, 1, hidden=(8,)), 0.01, 1, loss=SQUARED_ERROR)
    rng = np.random.default_rng(0)
    drawn = [source.task(episode) for source, episode in (sines.draw(rng) for _ in range(4))]
    trained = train(algorithm, feed_for(algorithm, sines), drawn, SHORT)
    assert trained.score < 0
