"""Courses over time: the mixed-effects model, the patient's own line, and the last score."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor
from torch.distributions import MultivariateNormal

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
    moved = {name: value.double() for name, value in params.items()}
    generator = torch.Generator().manual_seed(1)
    size = len(moved["covariance"])
    root = torch.eye(size) + 0.3 * torch.randn(size, size, generator=generator)
    moved["mean"] += 0.1 * torch.randn(size, 1, generator=generator)
    return algorithm, moved | {"covariance": (root @ root.mT).double()}


def functions(algorithm: MixedEffects, x: Tensor) -> Tensor:
    one = torch.ones(len(x), 1, dtype=torch.float64)
    if algorithm.time is None:
        return torch.cat([one, x], 1)
    t = x[:, :1]
    knots = torch.from_numpy(norm.ppf(np.arange(1, algorithm.knots + 1) / (algorithm.knots + 1)))
    return torch.cat([one, t, (t - knots).clamp(min=0)], 1)


@pytest.mark.parametrize("time", [None, 0])
def test_it_is_the_posterior_of_its_prior(time: int | None) -> None:
    algorithm, params = mixed(knots=3, time=time)
    given = task()
    prior, noise = params["covariance"], params["noise"]
    f, q = (functions(algorithm, x) for x in (given.support.x, given.query.x))
    gain = q @ prior @ f.T @ torch.linalg.inv(f @ prior @ f.T + noise * torch.eye(len(f)))
    mean = q @ params["mean"] + gain @ (given.support.y - f @ params["mean"])
    spread = noise + torch.diagonal(q @ prior @ q.T - gain @ f @ prior @ q.T)
    adapted = algorithm.adapt(params, {}, given.support)
    assert torch.allclose(algorithm.predict(params, {}, adapted, given.query.x), mean)
    assert torch.allclose(algorithm.variance(params, adapted, given.query.x)[:, 0], spread)


def test_whole_steps_never_lower_the_likelihood() -> None:
    """What makes it EM: the marginal likelihood of the same patients only grows."""
    algorithm, params = mixed()
    tasks = [task(4, seed) for seed in range(6)]

    def likelihood(params: Tensors) -> float:
        total = 0.0
        for one in tasks:
            x, y = (torch.cat([getattr(one.support, k), getattr(one.query, k)]) for k in "xy")
            f = functions(algorithm, x)
            spread = f @ params["covariance"] @ f.T + params["noise"] * torch.eye(len(f))
            total += float(MultivariateNormal((f @ params["mean"])[:, 0], spread).log_prob(y[:, 0]))
        return total

    seen = [likelihood(params)]
    for _ in range(8):
        direction = Engine(algorithm).update(params, {}, stack(tasks))[0]
        params = {name: value - direction[name] for name, value in params.items()}
        seen.append(likelihood(params))
    assert all(later > earlier for earlier, later in pairwise(seen))


def test_another_optimiser_cannot_break_it() -> None:
    algorithm, params = mixed()
    broken = params | {
        "covariance": params["covariance"] - 3 * torch.eye(1 + INPUTS),
        "noise": -params["noise"],
    }
    assert torch.isfinite(solve(algorithm, broken, {}, task())).all()


def test_without_support_cases_everybody_s_weights_speak_and_carry_the_last_input() -> None:
    algorithm = MixedEffects(INPUTS, carry=True)
    params, _ = algorithm.init(np.random.default_rng(0))
    nobody = Examples(*(t[:0].float() for t in task().support))
    query = Examples(*(t.float() for t in task().query))
    assert torch.allclose(solve(algorithm, params, {}, Task(nobody, query)), query.x[:, -1:])


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("kind", ["mixed", "line", "last"])
def test_padded_tasks_give_what_unpadded_ones_give(kind: str, way: Any) -> None:
    algorithm, params = (
        mixed(time=0) if kind == "mixed" else ((OwnLine() if kind == "line" else LastTarget()), {})
    )
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
    with pytest.raises(UserError, match="time must be one of the 3 inputs, from 0, not 3"):
        MixedEffects(INPUTS, time=3)
    with pytest.raises(UserError, match="carry is of the last input, and time leaves only the time"):
        MixedEffects(INPUTS, time=0, carry=True)


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
    algorithm = MixedEffects(int(np.prod(transform.shape)), time=0)
    settings = TrainingSettings(iterations=40, optimizer="sgd", lr=1.0, schedule="linear", keep="last")
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
    assert [t.log.tolist() for t in told] == [[True, True], [False, True]]  # type: ignore[attr-defined]
