"""Each case beside the patient's own normal, and a logistic regression towards that of other patients."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import KEPT, Algorithm, Metrics, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import Objective, gradient_and_aux
from metadx.algorithms.inner import adam
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.replay import half_and_half, scattered
from metadx.errors import UserError
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples

_MIDDLE, _SPREAD = "normal.middle", "normal.spread"
_KEPT = tuple(KEPT + name for name in Examples._fields)
_WEIGHTS, _FEATURE, _WAY = "prior.weights", "prior.log_feature", "prior.log_way"
_FLOOR, _FAR, _TINY = 0.1, 5.0, 1e-12
_SLOWEST = 0.02
VIEWS = 3
"""What the network sees of a case: itself, itself less the normal one, and that in spreads of normal cases."""


class Own(NamedTuple):
    """What is known of a patient.

    Args:
        middle, spread: of the patient's normal cases, shape of one case.
        weights: of the features, shape (features, outputs).
        tuned: everything that was fine-tuned; empty where nothing was.
    """

    middle: Tensor
    spread: Tensor
    weights: Tensor
    tuned: Tensors


@final
@dataclass(frozen=True, eq=False)
class OwnNormal(Algorithm):
    """A network that sees every case beside the mean normal case of the support set, and on its embedding a
    multinomial logistic regression drawn towards meta-learned weights.

    Conditions mean the same in every task. With features F of the support cases, a patient's weights W minimise
    the cross-entropy plus half the sum of P * (W - W0)^2: without support cases they are the prior's, W0, and the
    normal case is that of meta-training patients. W0, P and the network are meta-learned through the regression;
    a share of the loss is that of patients without support. After meta-training the network and W0 are also
    fine-tuned on the support cases by Adam, half of every batch replayed from meta-training, and both answers are
    averaged in log space. The last `memory` meta-training cases that are replayed go wherever the model goes.

    Args:
        network: maps (cases, 3, ...), the views of a case, to embeddings (cases, width).
        width: columns of the embedding.
        shape: of one case.
        outputs: conditions.
        normal: the way whose cases are the patient's normal.
        least: normal support cases below which the normal of meta-training patients is used.
        precision: of the prior before meta-training, in cases.
        solver_steps: of the regression.
        without: share of the training loss that is of patients without support.
        strength: multiplies the prior's precision after meta-training.
        steps: of Adam; 0 does not fine-tune.
        lr: its step size.
        batch: cases of a step, half of them replayed.
        tuned: share of the fine-tuned answer in the mean.
        memory: meta-training cases that are kept, each beside the normal of its own patient.
        remember: of them from each meta-training task.
        classes: not used; networks that embed are built with it.

    Raises:
        UserError: a setting is out of range, or the network has batch norms.

    References:
        Harrison, Sharma and Pavone, "Meta-Learning Priors for Efficient Online Bayesian Regression" (ALPaCA), WAFR
        2018, for classification: Böhning, "Multinomial logistic regression algorithm", 1992.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    width: int
    shape: tuple[int, ...]
    outputs: int
    classes: int = 0
    normal: int = 0
    least: int = 5
    precision: float = 3.0
    solver_steps: int = 12
    without: float = 0.2
    strength: float = 1.0
    steps: int = 150
    lr: float = 1e-3
    batch: int = 128
    tuned: float = 0.5
    memory: int = 2048
    remember: int = 16

    def __post_init__(self) -> None:
        positive(self, "width", "outputs", "precision", "solver_steps", "strength", "lr")
        at_least(0, self, "normal", "without", "steps", "tuned")
        at_least(1, self, "least", "memory", "remember")
        at_least(2, self, "batch")
        if self.net.batch_statistics:
            raise UserError(
                "own_normal also answers without support cases, and batch norms take their statistics from these. "
                "Give the learner `norm: group`, or one without batch norms."
            )

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        prior = {
            _WEIGHTS: like.new_zeros(1 + self.width, self.outputs),
            _FEATURE: like.new_full((1 + self.width,), float(np.log(self.precision))),
            _WAY: like.new_zeros(self.outputs),
        }
        normal = {_MIDDLE: like.new_zeros(self.shape), _SPREAD: like.new_ones(self.shape)}
        sizes = ((VIEWS, *self.shape), (self.outputs,), ())
        kept = {name: like.new_zeros((self.memory, *size)) for name, size in zip(_KEPT, sizes, strict=True)}
        return params | prior, state | normal | kept

    def adapt(self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING) -> Own:
        if not len(support.x):
            return self._nobody(params, state)
        mine = support.mask * support.y[:, self.normal]
        middle, spread = middle_and_spread(support.x, mine)
        enough = mine.sum() >= self.least
        middle = torch.where(enough, middle, state[_MIDDLE])
        spread = torch.where(enough, spread, state[_SPREAD])
        seen = support._replace(x=views(support.x, middle, spread))
        features = self._features(params | state, seen.x)
        precision = (params[_FEATURE].unsqueeze(-1) + params[_WAY]).exp() * self.strength
        weights = regress_towards(params[_WEIGHTS], precision, features, support, self.solver_steps)
        tuned = {} if context.train or not self.steps else self._tune(params, state, seen)
        return Own(middle, spread, weights, tuned)

    def _tune(self, params: Tensors, state: Tensors, seen: Examples) -> Tensors:
        kept, mine = Examples(*(state[name] for name in _KEPT)), scattered(seen)

        def objective(i: int) -> Objective:
            batch = half_and_half(mine, kept, i, self.batch)
            return lambda fast: self.loss.value(self._features(state | fast, batch.x) @ fast[_WEIGHTS], batch)

        prior = (_FEATURE, _WAY)
        return adam(objective, {k: v for k, v in params.items() if k not in prior}, self.lr, self.steps)

    def predict(self, params: Tensors, state: Tensors, adapted: Own, x: Tensor) -> Tensor:
        seen = views(x, adapted.middle, adapted.spread)
        fitted = self._features(params | state, seen) @ adapted.weights
        if not adapted.tuned:
            return fitted
        tuned = self._features(state | adapted.tuned, seen) @ adapted.tuned[_WEIGHTS]
        return torch.lerp(torch.log_softmax(fitted, -1), torch.log_softmax(tuned, -1), self.tuned)

    def _nobody(self, params: Tensors, state: Tensors) -> Own:
        return Own(state[_MIDDLE], state[_SPREAD], params[_WEIGHTS], {})

    def _features(self, tensors: Tensors, seen: Tensor) -> Tensor:
        embedding = self.net(tensors, seen)
        return torch.cat([embedding.new_ones(len(seen), 1), embedding], dim=-1)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        def objective(params: Tensors) -> tuple[Tensor, tuple[Metrics, Own]]:
            own = self.adapt(params, state, item.support, context._replace(train=True))
            output = self.predict(params, state, own, item.query.x)
            loss = self.loss.value(output, item.query)
            blind = self.predict(params, state, self._nobody(params, state), item.query.x)
            metrics = {"loss": loss.detach(), "score": self.loss.score(output.detach(), item.query)}
            total = (1 - self.without) * loss + self.without * self.loss.value(blind, item.query)
            return total, (metrics, own)

        direction, (metrics, own) = gradient_and_aux(objective, params, differentiable=False)
        rate = max(1 / (context.step + 1), _SLOWEST)
        moved = {_MIDDLE: torch.lerp(state[_MIDDLE], own.middle, rate)}
        moved[_SPREAD] = torch.lerp(state[_SPREAD], own.spread, rate)
        some = Examples(*(part[: self.remember] for part in scattered(item.query)))
        some = some._replace(x=views(some.x, own.middle, own.spread))
        return direction, state | moved | dict(zip(_KEPT, some, strict=True)), metrics


def views(x: Tensor, middle: Tensor, spread: Tensor) -> Tensor:
    """Every case, the case less the middle one, and that in spreads; shape (cases, 3, ...)."""
    away = x - middle
    return torch.stack([x, away, (away / (spread + _FLOOR)).clamp(-4 * _FAR, 4 * _FAR) / _FAR], dim=1)


def middle_and_spread(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of the cases and their standard deviation, element by element; 0 where all weights are.

    Args:
        x: shape (cases, ...).
        weight: 1 or 0 of each case, shape (cases,).
    """
    share = (weight / weight.sum().clamp(min=1)).view(-1, *(1,) * (x.dim() - 1))
    middle = (share * x).sum(0)
    return middle, (share * (x - middle).square()).sum(0).clamp(min=_TINY).sqrt()


def regress_towards(
    prior: Tensor, precision: Tensor, features: Tensor, support: Examples, steps: int
) -> Tensor:
    """Weights of a multinomial logistic regression that minimise the summed cross-entropy of the support set plus
    half the precision-weighted squared distance from a prior, by bounded Newton steps with Nesterov's momentum.

    Args:
        prior: weights, shape (features, outputs).
        precision: of each of them, shape (features, outputs).
        features: of the support cases, shape (cases, features).
        support: targets and mask.
        steps: more are more exact.
    """
    rows = features * support.mask.unsqueeze(-1)
    curvature = rows.mT @ rows / 2
    factor = torch.linalg.cholesky(curvature + torch.diag_embed(precision.mT))
    now = ahead = prior
    for i in range(steps):
        gap = (torch.softmax(features @ ahead, -1) - support.y) * support.mask.unsqueeze(-1)
        slope = features.mT @ gap + precision * (ahead - prior)
        after = ahead - torch.cholesky_solve(slope.mT.unsqueeze(-1), factor).squeeze(-1).mT
        now, ahead = after, after + i / (i + 3) * (after - now)
    return now
