"""The outer loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from metadx.algorithms import Algorithm, Engine, Way, choose_way
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Task
from metadx.training.feed import Feed
from metadx.training.settings import TrainingSettings, rate

Record = dict[str, float | int]
Listener = Callable[[Record], None]


@dataclass(frozen=True)
class Trained:
    """A meta-trained algorithm: the parameters that validated best.

    Args:
        step: outer step they are from.
        score: their meta-validation score; accuracy, or the negative mean squared error.
        history: one record per validation.
        way: how batches of tasks were run.
    """

    algorithm: Algorithm
    params: Tensors
    state: Tensors
    step: int
    score: float
    way: Way
    history: list[Record] = field(default_factory=list)


class Diverged(UserError, ArithmeticError):
    """Training left the finite numbers; says at which step."""


def train(
    algorithm: Algorithm,
    feed: Feed,
    validation: Sequence[Task],
    settings: TrainingSettings,
    listeners: Sequence[Listener] = (),
) -> Trained:
    """Meta-trains an algorithm and returns the parameters with the best meta-validation score.

    Args:
        algorithm: what to train; one that learns from nothing is returned as it is.
        feed: draws batches of what the algorithm consumes.
        validation: meta-validation tasks; empty keeps the last parameters.
        settings: of the run; the same settings give the same bytes on equal hardware and threads.
        listeners: called with a record of every step: `step`, `tasks_per_second`, metrics of the batch, and
            `validation` where it was measured.

    Raises:
        Diverged: the direction became infinite or NaN.
    """
    task_seed, init_seed = np.random.SeedSequence(settings.seed).spawn(2)
    params, state = algorithm.init(np.random.default_rng(init_seed))
    way = choose_way(algorithm, params) if settings.engine == "auto" else settings.engine
    if not algorithm.tensors:
        way = "loop"
    engine = Engine(algorithm, way)
    best = Trained(algorithm, params, state, 0, validate(engine, params, state, validation), way)
    if algorithm.consumes == "nothing" or settings.iterations == 0:
        return best

    rng = np.random.default_rng(task_seed)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    optimizer = _optimizer(settings, list(leaves.values()))
    history: list[Record] = []
    stale = 0
    start = time.monotonic()
    for step in range(1, settings.iterations + 1):
        began = time.monotonic()
        params = {name: leaf.detach() for name, leaf in leaves.items()}
        batch = feed(rng, settings.meta_batch)
        if isinstance(batch, Task):
            direction, state, metrics = engine.update(params, state, batch, rng=rng, step=step - 1)
        else:
            direction, state, metrics = algorithm.update(params, state, batch, rng=rng, step=step - 1)
        _step(optimizer, leaves, direction, rate(settings, step - 1), settings.clip, step)
        record: Record = {"step": step, "lr": rate(settings, step - 1)}
        record |= {name: float(value) for name, value in metrics.items()}
        last = step == settings.iterations or (
            settings.max_seconds is not None and time.monotonic() - start > settings.max_seconds
        )
        if step % settings.validate_every == 0 or last:
            params = {name: leaf.detach().clone() for name, leaf in leaves.items()}
            score = validate(engine, params, state, validation)
            record["validation"] = score
            history.append(record)
            stale += 1
            improved = score > best.score or math.isnan(best.score) or not validation
            if improved or settings.keep == "last":
                best = Trained(algorithm, params, state, step, score, way, history)
                stale = 0
        record["tasks_per_second"] = settings.meta_batch / max(time.monotonic() - began, 1e-9)
        for listen in listeners:
            listen(record)
        if last or (settings.patience is not None and stale >= settings.patience):
            break
    return Trained(best.algorithm, best.params, best.state, best.step, best.score, way, history)


def validate(engine: Engine, params: Tensors, state: Tensors, tasks: Sequence[Task]) -> float:
    """Mean score over tasks, higher is better; minus infinity without tasks."""
    if not tasks:
        return float("-inf")
    loss = engine.algorithm.loss
    outputs = engine.predict(params, state, tasks)
    scores = [float(loss.score(out, task.query)) for out, task in zip(outputs, tasks, strict=True)]
    return float(np.mean(scores)) * (1 if loss.classification else -1)


def _optimizer(settings: TrainingSettings, leaves: list[torch.Tensor]) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam(leaves, settings.lr, weight_decay=settings.weight_decay)
    return torch.optim.SGD(leaves, settings.lr, weight_decay=settings.weight_decay)


def _step(
    optimizer: torch.optim.Optimizer,
    leaves: Tensors,
    direction: Tensors,
    lr: float,
    clip: float | None,
    step: int,
) -> None:
    for name, leaf in leaves.items():
        leaf.grad = direction[name]
    norm = torch.nn.utils.clip_grad_norm_(list(leaves.values()), clip or float("inf"))
    if not torch.isfinite(norm):
        raise Diverged(
            f"the training direction became {norm.item()} at step {step}. "
            "Lower the outer `lr` or the inner one, or set `clip` to 10."
        )
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
