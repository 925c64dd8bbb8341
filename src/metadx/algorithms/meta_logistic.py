"""Meta-learned logistic regression: a kernel regression whose kernel and prior were learned from other tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import DualFit, fit_dual, predict_dual
from metadx.algorithms.logistic import Regression, fit_logistic, predict_logistic
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples, present


class MetaRegression(NamedTuple):
    """A task's kernel regression, its temperature, and the plain regression that it is averaged with, which plays
    no part in meta-training."""

    dual: DualFit
    temperature: Tensor
    plain: Regression | None


@final
@dataclass(frozen=True, eq=False)
class MetaLogistic(Algorithm):
    """Multinomial logistic regression on the support set, through a kernel that was meta-learned.

    The kernel of two cases is the inner product of their features (scaled inputs, how unusual each of them is, and
    a small embedding; the features of unusual cases shrunk), plus a rational quadratic kernel of how unusual their
    inputs are, plus a constant for the intercept. Scales, embedding
    and weights are meta-learned; so are the prior precision and the temperature, as power laws of the number of
    shots. The regression is unrolled: a fixed number of Böhning steps in the dual, differentiated through. Its
    log-probabilities are averaged with those of plain logistic regression, which keeps the learned kernel from
    doing harm where the new conditions are unlike the old.

    Args:
        inputs: numbers that a case is made of.
        hidden: width of the embedding's hidden layer.
        embedding: columns of the embedding.
        steps: dual steps.
        mix: weight of the learned regression in the average, 0 to 1.
        c: inverse penalty of the plain regression.

    References:
        Böhning 1992 for the bound; Lee et al., "Meta-Learning with Differentiable Convex Optimization", CVPR 2019,
        and Patacchiola et al., "Bayesian Meta-Learning for the Few-Shot Setting via Deep Kernels", NeurIPS 2020,
        for the idea of learning through a convex head.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    inputs: int
    hidden: int = 64
    embedding: int = 16
    steps: int = 12
    mix: float = 0.5
    c: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "inputs", "hidden", "embedding", "c")
        at_least(1, self, "steps")
        at_least(0, self, "mix")
        if self.mix > 1:
            raise UserError(f"MetaLogistic: mix must be between 0 and 1, not {self.mix}")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        def uniform(rows: int, columns: int) -> Tensor:
            bound = 1 / math.sqrt(columns)
            return torch.from_numpy(rng.uniform(-bound, bound, (rows, columns)).astype(np.float32))

        params = {
            "scale": torch.zeros(self.inputs),
            "sign_scale": torch.full((self.inputs,), -1.0),
            "size_scale": torch.full((self.inputs,), -1.0),
            "smooth_scale": torch.full((2 * self.inputs,), -0.5 * math.log(max(self.inputs / 2, 1))),
            "hidden.weight": uniform(self.hidden, self.inputs),
            "hidden.bias": torch.zeros(self.hidden),
            "embedding.weight": uniform(self.embedding, self.hidden),
            "log_embedding": torch.tensor(-1.0),
            "shrinkage": torch.tensor(0.0),
            "log_smooth": torch.tensor(1.0),
            "log_tail": torch.tensor(0.0),
            "log_intercept": torch.tensor(0.0),
            "precision": torch.zeros(2),
            "temperature": torch.zeros(2),
        }
        return params, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> MetaRegression:
        gram = kernel(params, support.x, support.x)
        dual = fit_dual(gram, support, _power_law(params["precision"], support), self.steps)
        plain = None if context.train else fit_logistic(support.x, support, self.c)
        return MetaRegression(dual, _power_law(params["temperature"], support), plain)

    def predict(self, params: Tensors, state: Tensors, adapted: MetaRegression, x: Tensor) -> Tensor:
        support = adapted.dual.support
        logits = adapted.temperature * predict_dual(adapted.dual, kernel(params, x, support.x))
        logits = self.loss.restrict(logits, support)
        if adapted.plain is None:
            return logits
        plain = self.loss.restrict(predict_logistic(adapted.plain, x), support)
        average = self.mix * torch.log_softmax(logits, -1) + (1 - self.mix) * torch.log_softmax(plain, -1)
        return self.loss.restrict(average, support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def kernel(params: Tensors, a: Tensor, b: Tensor) -> Tensor:
    """The meta-learned kernel of every case of `a` with every case of `b`, shape (cases of a, cases of b)."""
    a, b = a.flatten(1), b.flatten(1)
    linear = _features(params, a) @ _features(params, b).mT
    scale, tail = params["smooth_scale"].exp(), params["log_tail"].exp()
    u, v = torch.cat(_unusual(a), -1) * scale, torch.cat(_unusual(b), -1) * scale
    distance = u.square().sum(-1).unsqueeze(-1) + v.square().sum(-1) - 2 * u @ v.mT
    smooth = (1 + distance / (2 * tail)) ** (-tail)
    return linear + params["log_smooth"].exp() * smooth + params["log_intercept"].exp().square()


def _features(params: Tensors, x: Tensor) -> Tensor:
    """Scaled inputs, how unusual they are, and the embedding, side by side.

    Unusual cases have large features and would outweigh all others; they are shrunk, by a power of their size.
    """
    side, excess = _unusual(x)
    hidden = F.gelu(x @ params["hidden.weight"].mT + params["hidden.bias"])
    embedding = params["log_embedding"].exp() * (hidden @ params["embedding.weight"].mT)
    parts = (
        x * params["scale"].exp(),
        side * params["sign_scale"].exp(),
        excess * params["size_scale"].exp(),
        embedding,
    )
    features = torch.cat(parts, -1)
    size = features.square().sum(-1, keepdim=True) / x.shape[-1]
    return features * (1 + size) ** (-torch.sigmoid(params["shrinkage"]) / 2)


def _unusual(x: Tensor) -> tuple[Tensor, Tensor]:
    """On which side of usual each input is, -1 to 1, and how far from it."""
    side = torch.tanh(x)
    return side, side * x


def _power_law(coefficients: Tensor, support: Examples) -> Tensor:
    """exp(a) * shots ** b."""
    shots = support.mask.sum() / present(support).sum()
    return torch.exp(coefficients[0] + coefficients[1] * shots.log())
