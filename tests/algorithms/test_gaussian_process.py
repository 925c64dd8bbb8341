"""What a Gaussian process is unsure of: against scikit-learn, by hand, and far from its support set."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from torch import Tensor, nn

from contracts.algorithms import start
from contracts.examples import TABLE, close, draw_regression, draw_task
from contracts.test_learning import INPUTS, WAYS, draw, trained
from metadx.algorithms import SQUARED_ERROR, GaussianProcess
from metadx.learners import MLP, Tensors
from metadx.tasks import Task


class Same(nn.Module):
    """Embeds every case as itself."""

    def __init__(self) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.size * x


def kernel(params: Tensors, a: Tensor, b: Tensor) -> Tensor:
    apart = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() / a.shape[1]
    return params["kernel.log_amplitude"].exp() * torch.exp(
        -apart / 2 / params["kernel.log_length"].exp() ** 2
    )


def test_values_have_the_posterior_that_scikit_learn_finds(rng: np.random.Generator) -> None:
    algorithm = GaussianProcess(Same(), SQUARED_ERROR)
    params, state = start(algorithm)
    task = draw_regression(rng, TABLE, outputs=1)
    amplitude = params["kernel.log_amplitude"].exp().item()
    length = params["kernel.log_length"].exp().item() * math.sqrt(TABLE[0])
    noise = 1 / params["likelihood.log_weight"].exp().item()
    judge = GaussianProcessRegressor(ConstantKernel(amplitude) * RBF(length), alpha=noise, optimizer=None)
    centre = task.support.y.mean().item()
    judge.fit(task.support.x.numpy(), task.support.y.numpy()[:, 0] - centre)
    mean, deviation = judge.predict(task.query.x.numpy(), return_std=True)

    adapted = algorithm.adapt(params, state, task.support)
    found, variance = algorithm.posterior(params, state, adapted, task.query.x)
    np.testing.assert_allclose(found[:, 0], mean + centre, rtol=1e-9)
    unit = adapted.head["unit"].item()
    np.testing.assert_allclose(variance[:, 0], unit * deviation**2, rtol=1e-7)
    residual = task.support.y[:, 0] - centre
    gram = kernel(params, task.support.x, task.support.x) + noise * torch.eye(
        len(residual), dtype=torch.float64
    )
    assert unit == pytest.approx((residual @ torch.linalg.inv(gram) @ residual / (len(residual) - 1)).item())


def test_one_value_does_not_say_how_far_others_are(rng: np.random.Generator) -> None:
    algorithm = GaussianProcess(Same(), SQUARED_ERROR)
    params, state = start(algorithm)
    task = draw_regression(rng, TABLE)
    one = task.support._replace(**{name: t[:1] for name, t in task.support._asdict().items()})
    mean, variance = algorithm.posterior(params, state, algorithm.adapt(params, state, one), task.query.x)
    assert torch.equal(mean, one.y.expand_as(mean))
    assert variance.isinf().all()


def test_conditions_have_laplaces_posterior_and_moderated_logits(rng: np.random.Generator) -> None:
    algorithm = GaussianProcess(Same(), steps=300)
    params, state = start(algorithm)
    params["likelihood.log_weight"] = torch.tensor(2.0, dtype=torch.float64)
    task = draw_task(rng, TABLE)
    gram, across = (kernel(params, x, task.support.x) for x in (task.support.x, task.query.x))
    weight = params["likelihood.log_weight"].exp()
    latent = torch.zeros_like(task.support.y)
    for _ in range(2000):  # at the most probable functions, latent = gram weight (y - p)
        latent = 0.98 * latent + 0.02 * weight * gram @ (task.support.y - torch.softmax(latent, 1))
    p = torch.softmax(latent, 1)
    adapted = algorithm.adapt(params, state, task.support)
    mean, variance = algorithm.posterior(params, state, adapted, task.query.x)
    assert close(mean, across @ (weight * (task.support.y - p)), 1e-6)
    for way in range(task.ways):
        spread = gram + torch.diag(1 / weight / (p[:, way] * (1 - p[:, way])))
        left = params["kernel.log_amplitude"].exp() - torch.einsum(
            "qs,st,qt->q", across, torch.linalg.inv(spread), across
        )
        assert close(variance[:, way], left, 1e-6)
    logits = algorithm.predict(params, state, adapted, task.query.x)
    assert close(logits, mean / (1 + math.pi * variance / 8).sqrt())


def test_it_is_less_sure_far_from_the_support_set_and_surer_with_more_cases(
    rng: np.random.Generator,
) -> None:
    torch.manual_seed(0)
    algorithm = GaussianProcess(MLP(INPUTS, None, (16, 5)))
    params, state = trained(algorithm, rng, 40)
    sure: dict[str, list[float]] = {"near": [], "far": [], "few": [], "many": []}
    for _ in range(20):
        task = draw(rng, slice(None))
        adapted = algorithm.adapt(params, state, task.support)
        away = torch.from_numpy(rng.normal(size=task.query.x.shape)).float()
        for name, x in (("near", task.query.x), ("far", 30 * away)):
            p = torch.softmax(algorithm.predict(params, state, adapted, x), -1)
            sure[name].append(p.max(-1).values.mean().item())
        few = Task(
            task.support._replace(**{k: t[:WAYS] for k, t in task.support._asdict().items()}), task.query
        )
        for name, part in (("few", few), ("many", task)):
            fitted = algorithm.adapt(params, state, part.support)
            sure[name].append(-algorithm.posterior(params, state, fitted, task.query.x)[1].mean().item())
    assert np.mean(sure["far"]) < 1.5 / WAYS < 0.6 < np.mean(sure["near"])
    assert np.mean(sure["many"]) > np.mean(sure["few"])
