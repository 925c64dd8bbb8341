"""Courses over time: the mixed-effects model, the patient's own line, and the last score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metadx.algorithms import Engine, LastTarget, MixedEffects, OwnLine
from metadx.algorithms.algorithm import solve
from metadx.cases import Cases, Provenance, fit_transform
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples, MetaDataset, PatientSource, Shape, Task, stack
from metadx.training import TrainingSettings, feed_for, train

INPUTS = 3


def examples(times: list[float], seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    t = torch.tensor(times, dtype=torch.float64).view(-1, 1)
    x = torch.cat([t, torch.randn(len(t), INPUTS - 1, generator=generator, dtype=torch.float64)], -1)
    y = 2 + 3 * t + 0.1 * torch.randn(t.shape, generator=generator, dtype=torch.float64)
    return Examples(x, y, torch.ones(len(t), dtype=torch.float64))


def task(shots: int = 4, seed: int = 0) -> Task:
    first = [-1.5 + 0.3 * i for i in range(shots)]
    return Task(examples(first, seed), examples([0.5, 1.0, 1.4], seed + 1))


def mixed(**settings: Any) -> tuple[MixedEffects, Tensors]:
    algorithm = MixedEffects(INPUTS, **settings)
    params, _ = algorithm.init(np.random.default_rng(0))
    generator = torch.Generator().manual_seed(1)
    return algorithm, {
        k: v.double() + 0.1 * torch.randn(v.shape, generator=generator, dtype=torch.float64)
        for k, v in params.items()
    }


def hinges(params: Tensors, x: Tensor) -> Tensor:
    t = x[:, :1]
    return torch.cat([torch.ones_like(t), t, (t - params["knots"]).clamp(min=0)], 1)


def test_it_is_the_posterior_of_its_prior() -> None:
    algorithm, params = mixed(knots=3)
    given = task()
    half = (params["prior.factor"].tril(-1) + torch.eye(5)) * (params["prior.log_diagonal"] / 2).exp()
    covariance = torch.linalg.inv(half @ half.T)
    f, q = (hinges(params, x) for x in (given.support.x, given.query.x))
    noise = torch.eye(len(f), dtype=torch.float64)
    gain = q @ covariance @ f.T @ torch.linalg.inv(f @ covariance @ f.T + noise)
    mean = q @ params["prior.mean"] + gain @ (given.support.y - f @ params["prior.mean"])
    spread = (1 + torch.diagonal(q @ covariance @ q.T - gain @ f @ covariance @ q.T)) * params[
        "log_noise"
    ].exp()
    adapted = algorithm.adapt(params, {}, given.support)
    assert torch.allclose(algorithm.predict(params, {}, adapted, given.query.x), mean)
    assert torch.allclose(algorithm.variance(params, adapted, given.query.x)[:, 0], spread)


def test_its_meta_gradient_is_that_of_finite_differences() -> None:
    algorithm, params = mixed(knots=2)
    given = task()
    direction = algorithm.update(params, {}, given)[0]
    assert direction.keys() == params.keys()
    generator = torch.Generator().manual_seed(3)
    for name, value in params.items():
        along = torch.randn(value.shape, generator=generator, dtype=value.dtype)
        up, down = (
            algorithm.update(params | {name: value + sign * 1e-5 * along}, {}, given)[2]["loss"]
            for sign in (1, -1)
        )
        assert torch.allclose((direction[name] * along).sum(), (up - down) / 2e-5, rtol=1e-5, atol=1e-8), name


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("kind", ["mixed", "line", "last"])
def test_padded_tasks_give_what_unpadded_ones_give(kind: str, way: Any) -> None:
    algorithm, params = mixed() if kind == "mixed" else ((OwnLine() if kind == "line" else LastTarget()), {})
    tasks = [task(4, 0), task(2, 5), task(1, 9)]
    together = Engine(algorithm, way).predict(params, {}, tasks)
    for one, found in zip(tasks, together, strict=True):
        assert torch.allclose(found, solve(algorithm, params, {}, one))
    if kind == "mixed":
        directions = Engine(algorithm, way).directions(params, {}, stack(tasks))[0]
        for i, one in enumerate(tasks):
            for name, value in algorithm.update(params, {}, one)[0].items():
                assert torch.allclose(directions[name][i], value, atol=1e-10), name


def test_the_own_line_is_least_squares_and_level_where_there_is_one_time() -> None:
    given = task(6)
    found = solve(OwnLine(), {}, {}, given)[:, 0]
    line = np.polynomial.Polynomial.fit(given.support.x[:, 0].numpy(), given.support.y[:, 0].numpy(), 1)
    assert np.allclose(found.numpy(), line(given.query.x[:, 0].numpy()))
    alone = task(1)
    for algorithm in (OwnLine(), LastTarget()):
        assert torch.allclose(solve(algorithm, {}, {}, alone), alone.support.y.expand(3, 1))


def test_the_last_score_is_that_of_the_latest_time_in_whatever_order() -> None:
    given = task(5)
    order = torch.tensor([3, 4, 0, 1, 2])
    mixed_up = Task(Examples(*(t[order] for t in given.support)), given.query)
    assert torch.equal(solve(LastTarget(), {}, {}, mixed_up), given.support.y[-1:].expand(3, 1))
    nobody = Task(Examples(*(t[:0] for t in given.support)), given.query)
    assert not solve(LastTarget(), {}, {}, nobody).any()


def test_time_is_one_of_the_inputs() -> None:
    with pytest.raises(UserError, match="time must be below 3, the inputs of a case, not 3"):
        MixedEffects(INPUTS, time=3)


def test_slopes_that_do_not_last_are_not_believed_for_long() -> None:
    """Patients rise or fall for some time and then stay: their own line goes on, what is meta-learned does not."""
    rng = np.random.default_rng(0)
    times = np.arange(20.0)
    people, rows, values = [], [], []
    for person in range(40):
        slope = rng.normal()
        people += [f"p{person:02d}"] * 20
        rows.append(times)
        values.append(5 * rng.normal() + slope * np.minimum(times, 8) + rng.normal(0, 0.05, 20))
    time, y, patient = np.concatenate(rows), np.concatenate(values), np.array(people)
    x = np.column_stack([time, rng.normal(size=len(time))])
    cases = Cases(x, y, patient, (), "table", Provenance("made up"), time=time, features=("day", "other"))
    transform = fit_transform(cases)
    new = np.isin(patient, [f"p{i:02d}" for i in range(10)])
    known, unseen = (PatientSource(cases.select(m), (4.0, 19.0), transform, (0.0, 5.0)) for m in (~new, new))
    algorithm = MixedEffects(int(np.prod(transform.shape)))
    settings = TrainingSettings(
        iterations=250, meta_batch=8, lr=3e-2, schedule="one_cycle", clip=10.0, keep="last"
    )
    feed = feed_for(algorithm, MetaDataset("train", [known], Shape(shots=20, query=20)))
    trained = train(algorithm, feed, [], settings)
    tasks = [unseen.task(unseen.first(p, 5)) for p in unseen.with_first(5)]

    def error(outputs: list[Tensor]) -> float:
        return float(np.mean([(o - t.query.y).abs().mean() for o, t in zip(outputs, tasks, strict=True)]))

    mine = error(Engine(algorithm).predict(trained.params, trained.state, tasks))
    assert mine < 0.5 * error(Engine(OwnLine()).predict({}, {}, tasks))
    assert mine < 0.7 * error(Engine(LastTarget()).predict({}, {}, tasks))


def test_a_time_takes_no_log() -> None:
    time = np.exp(np.linspace(0, 6, 60))
    of = ("p",) * 60
    x = np.column_stack([time, time])
    told = [
        fit_transform(
            Cases(x, time, np.array(of), (), "table", Provenance("made up"), time=t, features=("a", "b"))
        )
        for t in (None, time)
    ]
    assert [t.log.tolist() for t in told] == [[True, True], [False, False]]  # type: ignore[attr-defined]
