"""The outer loop."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from metadx.algorithms import Algorithm, Context, Engine, Way, choose_way
from metadx.errors import Notice, UserError
from metadx.learners import Tensors, networks_in
from metadx.tasks import Task
from metadx.training.ahead import Ahead
from metadx.training.batch import learn, refuse_idle
from metadx.training.checkpointer import Checkpointer
from metadx.training.feed import Feed, Tasks
from metadx.training.memory import enough_memory
from metadx.training.precision import precision_of
from metadx.training.processes import ALONE, Processes
from metadx.training.settings import TrainingSettings, device_of, rate
from metadx.training.standing import Kept, Record, Standing

Listener = Callable[[Record], None]

_MEND = "Lower the outer `lr` or the inner one, or set `clip` to 10."
_LARGEST = torch.finfo(torch.float32).max ** 0.5  # whose square the optimiser can still remember
_BARREN = 5  # batches in a row without one finite direction, after which there is no hope
_NAMED = 3  # tasks of a batch
_SAID = 10  # batches whose tasks are named; of further ones only the count is kept


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
    processes: Processes = ALONE,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Meta-trains an algorithm and returns the parameters with the best meta-validation score.

    Args:
        algorithm: what to train; one that learns from nothing is returned as it is.
        feed: draws batches of what the algorithm consumes; from its generator alone, or a resumed run draws others.
        validation: meta-validation tasks; empty keeps the last parameters.
        settings: of the run; the same settings give the same bytes on equal processors and threads.
        listeners: called with a record of every step: `step`, `tasks_per_second`, metrics of the batch, and
            `validation` where it was measured, and `left_out`, the number of tasks that gave what is not finite and
            did not count, where there were any.
        checkpoint: saves where training stands, and says where to begin; a resumed run ends with the same bytes as
            one that was never interrupted.
        processes: those that train together, each of which calls this with the same arguments but the listeners;
            see `metadx.training.joined`.
        clock: seconds, of which `max_seconds` are given to training; `time.process_time` counts those of the
            processor alone, whatever else it is doing.

    Raises:
        Diverged: the direction became infinite, or that of no task was finite for five batches in a row,
            or ever.
        Interrupted: the checkpointer was asked to stop.
        OutOfMemory: a batch or a validation does not fit; says which setting to lower.
        UserError: more processes than tasks in a batch, or something that several processes cannot do.
        Lost: another process has ended.
    """
    task_seed, init_seed = np.random.SeedSequence(settings.seed).spawn(2)
    device = device_of(settings, processes)
    params, state = (_on(device, made) for made in algorithm.init(np.random.default_rng(init_seed)))
    way = choose_way(algorithm, params, device) if settings.engine == "auto" else settings.engine
    if not algorithm.tensors and algorithm.consumes == "nothing":
        way = "loop"
    engine = Engine(algorithm, way)
    dtype = precision_of(settings, algorithm, device)
    if algorithm.consumes == "nothing" or settings.iterations == 0:
        score = validate(engine, params, state, validation, processes)
        return _trained(algorithm, Kept(0, score, params, state), way, [])
    refuse_idle(processes, settings.meta_batch)
    at = _begin(settings, params, state, np.random.default_rng(task_seed))
    with (
        enough_memory(algorithm, settings, way),
        Ahead(feed, settings.meta_batch, device, settings.ahead) as batches,
    ):
        if checkpoint is None or not checkpoint.resume(at):
            at.best = at.best._replace(score=validate(engine, params, state, validation, processes))
        while at.step < settings.iterations and not _out_of_patience(at, settings):
            began = clock()
            with networks_in(dtype):
                record = _step(at, engine, feed, batches, settings, processes)
            out_of_time = _out_of_time(at.seconds + clock() - began, settings, processes)
            if at.step % settings.validate_every == 0 or at.step == settings.iterations or out_of_time:
                record["validation"] = _validate(at, engine, validation, settings, processes)
                at.history.append(record)
            seconds = clock() - began
            at.seconds += seconds
            record["tasks_per_second"] = settings.meta_batch / max(seconds, 1e-9)
            for listen in listeners:
                listen(record)
            if out_of_time:
                break
            if checkpoint is not None and at.step < settings.iterations:
                checkpoint.after_step(at)
    return _trained(algorithm, at.best, way, at.history)


def validate(
    engine: Engine, params: Tensors, state: Tensors, tasks: Sequence[Task], processes: Processes = ALONE
) -> float:
    """Mean score over tasks, of which every process scores its share; higher is better, minus infinity without
    tasks."""
    if not tasks:
        return float("-inf")
    loss = engine.algorithm.loss
    mine = tasks[processes.share(len(tasks))]
    outputs = engine.predict(params, state, mine)
    scores = [float(loss.score(out, task.query)) for out, task in zip(outputs, mine, strict=True)]
    every = processes.gather(torch.tensor(scores, dtype=torch.float64), len(tasks))
    return float(np.mean(every.numpy())) * (1 if loss.classification else -1)


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


def _out_of_time(seconds: float, settings: TrainingSettings, processes: Processes) -> bool:
    """Whether the time is up for any of the processes, whose clocks differ."""
    if settings.max_seconds is None:
        return False
    return bool(processes.largest(seconds > settings.max_seconds))


def _step(
    at: Standing,
    engine: Engine,
    feed: Feed,
    batches: Ahead,
    settings: TrainingSettings,
    processes: Processes,
) -> Record:
    """Draws a batch and steps the parameters; gives what is known of the step."""
    params = {name: leaf.detach() for name, leaf in at.params.items()}
    drawn_from = at.rng.bit_generator.state
    batch = batches.next(at.rng)
    learned = learn(engine, params, at.state, batch, Context(at.rng, at.step, train=True), processes)
    at.state = learned.state
    lr = rate(settings, at.step)
    at.step += 1
    at.barren = at.barren + 1 if learned.direction is None else 0
    record: Record = {"step": at.step, "lr": lr} | {k: float(v) for k, v in learned.metrics.items()}
    if learned.left_out:
        at.troubled += 1
        record["left_out"] = len(learned.left_out)
        if at.troubled <= _SAID and processes.rank == 0:
            names = _names(feed, drawn_from, settings.meta_batch)
            warnings.warn(_left_out(at, learned.left_out, names), Notice, stacklevel=2)
    if at.barren == min(_BARREN, settings.iterations):
        raise Diverged(
            f"no task of {at.barren} batches in a row gave a finite direction, the last at step {at.step}. {_MEND}"
        )
    if learned.direction is not None:
        _descend(at, learned.direction, learned.norm, lr, settings.clip)
    return record


def _names(feed: Feed, drawn_from: Mapping[str, Any], size: int) -> list[str]:
    """What the tasks of a batch are about, found by drawing it again; nothing where the feed cannot say."""
    if not isinstance(feed, Tasks):
        return []
    rng = np.random.default_rng()
    rng.bit_generator.state = dict(drawn_from)
    return feed.names(rng, size)


def _left_out(at: Standing, numbers: Sequence[int], names: Sequence[str]) -> str:
    named = (
        [f"task {i + 1} of {len(names)}, {names[i]}" for i in numbers[:_NAMED]] if names else ["the batch"]
    )
    others = f" and {len(numbers) - len(named)} others" if len(numbers) > len(named) else ""
    more = " Further ones are only counted, as left_out." if at.troubled == _SAID else ""
    return f"step {at.step}: what {'; '.join(named)}{others} gave is not finite and does not count.{more}"


def _validate(
    at: Standing, engine: Engine, validation: Sequence[Task], settings: TrainingSettings, processes: Processes
) -> float:
    """Scores the parameters, and keeps them if they are the best so far."""
    params = {name: leaf.detach().clone() for name, leaf in at.params.items()}
    score = validate(engine, params, at.state, validation, processes)
    at.stale += 1
    improved = score > at.best.score or math.isnan(at.best.score) or not validation
    if improved or settings.keep == "last":
        at.best = Kept(at.step, score, params, at.state)
        at.stale = 0
    return score


def _optimizer(settings: TrainingSettings, leaves: list[torch.Tensor]) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam(leaves, settings.lr, weight_decay=settings.weight_decay, fused=True)
    return torch.optim.SGD(leaves, settings.lr, weight_decay=settings.weight_decay, fused=True)


def _descend(at: Standing, direction: Tensors, norm: torch.Tensor, lr: float, clip: float | None) -> None:
    if not torch.isfinite(norm) or (clip is None and norm > _LARGEST):
        raise Diverged(
            f"the norm of the training direction became {norm.item():.3g} at step {at.step}. {_MEND}"
        )
    for name, leaf in at.params.items():
        leaf.grad = direction[name]
    if clip is not None:
        torch.nn.utils.clip_grads_with_norm_(at.params.values(), clip, norm)
    for group in at.optimizer.param_groups:
        group["lr"] = lr
    at.optimizer.step()
