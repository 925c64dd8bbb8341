"""The outer loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from metadx.algorithms import Algorithm, Context, Engine, Way, choose_way, home
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Task
from metadx.training.checkpointer import Checkpointer
from metadx.training.feed import Feed
from metadx.training.settings import TrainingSettings, device_of, rate
from metadx.training.standing import Kept, Record, Standing

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
    *,
    checkpoint: Checkpointer | None = None,
) -> Trained:
    """Meta-trains an algorithm and returns the parameters with the best meta-validation score.

    Args:
        algorithm: what to train; one that learns from nothing is returned as it is.
        feed: draws batches of what the algorithm consumes; from its generator alone, or a resumed run draws others.
        validation: meta-validation tasks; empty keeps the last parameters.
        settings: of the run; the same settings give the same bytes on equal hardware and threads.
        listeners: called with a record of every step: `step`, `tasks_per_second`, metrics of the batch, and
            `validation` where it was measured.
        checkpoint: saves where training stands, and says where to begin; a resumed run ends with the same bytes as
            one that was never interrupted.

    Raises:
        Diverged: the direction became infinite or NaN.
        Interrupted: the checkpointer was asked to stop.
    """
    task_seed, init_seed = np.random.SeedSequence(settings.seed).spawn(2)
    device = device_of(settings)
    params, state = (_on(device, made) for made in algorithm.init(np.random.default_rng(init_seed)))
    way = choose_way(algorithm, params, device) if settings.engine == "auto" else settings.engine
    if not algorithm.tensors and algorithm.consumes == "nothing":
        way = "loop"
    engine = Engine(algorithm, way)
    if algorithm.consumes == "nothing" or settings.iterations == 0:
        return _trained(
            algorithm, Kept(0, validate(engine, params, state, validation), params, state), way, []
        )
    at = _begin(settings, params, state, np.random.default_rng(task_seed))
    if checkpoint is None or not checkpoint.resume(at):
        at.best = at.best._replace(score=validate(engine, params, state, validation))
    while at.step < settings.iterations and not _out_of_patience(at, settings):
        began = time.monotonic()
        record = _step(at, engine, feed, settings)
        out_of_time = settings.max_seconds is not None and (
            at.seconds + time.monotonic() - began > settings.max_seconds
        )
        if at.step % settings.validate_every == 0 or at.step == settings.iterations or out_of_time:
            record["validation"] = _validate(at, engine, validation, settings)
            at.history.append(record)
        seconds = time.monotonic() - began
        at.seconds += seconds
        record["tasks_per_second"] = settings.meta_batch / max(seconds, 1e-9)
        for listen in listeners:
            listen(record)
        if out_of_time:
            break
        if checkpoint is not None and at.step < settings.iterations:
            checkpoint.after_step(at)
    return _trained(algorithm, at.best, way, at.history)


def validate(engine: Engine, params: Tensors, state: Tensors, tasks: Sequence[Task]) -> float:
    """Mean score over tasks, higher is better; minus infinity without tasks."""
    if not tasks:
        return float("-inf")
    loss = engine.algorithm.loss
    outputs = engine.predict(params, state, tasks)
    scores = [float(loss.score(out, task.query)) for out, task in zip(outputs, tasks, strict=True)]
    return float(np.mean(scores)) * (1 if loss.classification else -1)


def _trained(algorithm: Algorithm, kept: Kept, way: Way, history: list[Record]) -> Trained:
    """What was kept, on the CPU, where every machine can use it."""
    params, state = _on("cpu", kept.params), _on("cpu", kept.state)
    return Trained(algorithm, params, state, kept.step, kept.score, way, history)


def _on(device: torch.device | str, tensors: Tensors) -> Tensors:
    return {name: value.to(device) for name, value in tensors.items()}


def _begin(settings: TrainingSettings, params: Tensors, state: Tensors, rng: np.random.Generator) -> Standing:
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    start = Kept(0, float("-inf"), params, state)
    return Standing(leaves, state, _optimizer(settings, list(leaves.values())), rng, start)


def _out_of_patience(at: Standing, settings: TrainingSettings) -> bool:
    return settings.patience is not None and at.stale >= settings.patience


def _step(at: Standing, engine: Engine, feed: Feed, settings: TrainingSettings) -> Record:
    """Draws a batch and steps the parameters; gives what is known of the step."""
    params = {name: leaf.detach() for name, leaf in at.params.items()}
    batch = feed(at.rng, settings.meta_batch)
    context = Context(at.rng, at.step, train=True)
    if isinstance(batch, Task):
        direction, at.state, metrics = engine.update(params, at.state, batch, context)
    else:
        direction, at.state, metrics = engine.algorithm.update(
            params, at.state, batch.to(home(params, at.state)), context
        )
    lr = rate(settings, at.step)
    at.step += 1
    _descend(at, direction, lr, settings.clip)
    return {"step": at.step, "lr": lr} | {name: float(value) for name, value in metrics.items()}


def _validate(at: Standing, engine: Engine, validation: Sequence[Task], settings: TrainingSettings) -> float:
    """Scores the parameters, and keeps them if they are the best so far."""
    params = {name: leaf.detach().clone() for name, leaf in at.params.items()}
    score = validate(engine, params, at.state, validation)
    at.stale += 1
    improved = score > at.best.score or math.isnan(at.best.score) or not validation
    if improved or settings.keep == "last":
        at.best = Kept(at.step, score, params, at.state)
        at.stale = 0
    return score


def _optimizer(settings: TrainingSettings, leaves: list[torch.Tensor]) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam(leaves, settings.lr, weight_decay=settings.weight_decay)
    return torch.optim.SGD(leaves, settings.lr, weight_decay=settings.weight_decay)


def _descend(at: Standing, direction: Tensors, lr: float, clip: float | None) -> None:
    for name, leaf in at.params.items():
        leaf.grad = direction[name]
    norm = torch.nn.utils.clip_grad_norm_(list(at.params.values()), clip or float("inf"))
    if not torch.isfinite(norm):
        raise Diverged(
            f"the training direction became {norm.item()} at step {at.step}. "
            "Lower the outer `lr` or the inner one, or set `clip` to 10."
        )
    for group in at.optimizer.param_groups:
        group["lr"] = lr
    at.optimizer.step()
