"""What one batch teaches: its tasks shared out over the processes, those that left the finite numbers left out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from metadx.algorithms import Algorithm, Context, Engine, Metrics, home
from metadx.errors import UserError
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples, Task
from metadx.training.processes import Processes


class Learned(NamedTuple):
    """What a batch gave.

    Args:
        direction: to step against; None where no task gave a finite one.
        norm: of the direction; in float64 where it is too large for the direction's own precision.
        state: after the batch.
        metrics: means over the tasks that count.
        left_out: numbers of the tasks whose results are not finite, from 0; the whole batch is number 0 where it
            is of pooled cases.
    """

    direction: Tensors | None
    norm: Tensor
    state: Tensors
    metrics: Metrics
    left_out: tuple[int, ...] = ()


def learn(
    engine: Engine,
    params: Tensors,
    state: Tensors,
    batch: Task | Examples,
    context: Context,
    processes: Processes,
) -> Learned:
    """Runs a batch, of which every process has all and does its share.

    Raises:
        UserError: batches of pooled cases cannot be shared out for this algorithm.
        Lost: another process has ended.
    """
    if isinstance(batch, Task):
        return _from_tasks(engine, params, state, batch, context, processes)
    return _from_cases(engine.algorithm, params, state, batch, context, processes)


def refuse_idle(processes: Processes, meta_batch: int) -> None:
    """Refuses more processes than there is work for.

    Raises:
        UserError: some process would have no task.
    """
    if processes.count > meta_batch:
        raise UserError(
            f"training.meta_batch is {meta_batch}, which does not give each of {processes.count} processes a "
            f"task. Set it to {processes.count} or more, or start no more processes than {meta_batch}."
        )


def _from_tasks(
    engine: Engine, params: Tensors, state: Tensors, batch: Task, context: Context, processes: Processes
) -> Learned:
    number = len(batch.support.x)
    mine = batch if processes.count == 1 else tree_map(lambda part: part[processes.share(number)], batch)
    results = processes.gather(engine.directions(params, state, mine, context), number)
    learned = _measured(*engine.reduce(state, *results))
    if _is_finite(learned):
        return learned
    finite = torch.stack([part.isfinite().reshape(number, -1).all(1) for part in tree_leaves(results)]).all(0)
    left_out = tuple((~finite).nonzero().flatten().tolist())
    if len(left_out) == number:
        return Learned(None, learned.norm, state, {}, left_out)
    results = tree_map(lambda part: part[finite], results)
    return _measured(*engine.reduce(state, *results))._replace(left_out=left_out)


def _from_cases(
    algorithm: Algorithm,
    params: Tensors,
    state: Tensors,
    batch: Examples,
    context: Context,
    processes: Processes,
) -> Learned:
    batch = batch.to(home(params, state))
    if processes.count == 1:
        learned = _measured(*algorithm.update(params, state, batch, context))
    else:
        learned = _measured(*_shared(algorithm, params, state, batch, context, processes))
    return learned if _is_finite(learned) else Learned(None, learned.norm, state, {}, (0,))


def _shared(
    algorithm: Algorithm,
    params: Tensors,
    state: Tensors,
    batch: Examples,
    context: Context,
    processes: Processes,
) -> tuple[Tensors, Tensors, Metrics]:
    """The mean over the shares of a batch of cases, each of which weighs as much as it has cases."""
    net = getattr(algorithm, "net", None)
    if isinstance(net, Functional) and net.batch_statistics:
        raise UserError(
            "batch norms take their statistics from whole batches of cases, which several processes share out: "
            "train it in one process, or with a norm of another kind, such as learner.norm: group."
        )
    share = Examples(*(part[processes.share(len(batch.x))] for part in batch))
    direction, after, metrics = algorithm.update(params, state, share, context)
    if any(value is not state.get(name) for name, value in after.items()):
        raise UserError(
            f"{type(algorithm).__name__} remembers whole batches of cases, which several processes share out: "
            "train it in one process."
        )
    mine = tree_map(lambda part: part[None], (direction, metrics, share.mask.sum()))
    directions, measured, weights = processes.gather(mine, processes.count)

    def mean(parts: Tensor) -> Tensor:
        shares = (weights / weights.sum()).to(parts.dtype)
        return torch.einsum("p,p...->...", shares, parts)

    return {k: mean(v) for k, v in directions.items()}, state, {k: mean(v) for k, v in measured.items()}


def _measured(direction: Tensors, state: Tensors, metrics: Metrics) -> Learned:
    norm = torch.nn.utils.get_total_norm(direction.values())
    if not norm.isfinite():  # the squares of large numbers are too large for float32
        norm = torch.nn.utils.get_total_norm([value.double() for value in direction.values()])
    return Learned(direction, norm, state, metrics)


def _is_finite(learned: Learned) -> bool:
    """A mean shows whether anything in it is not finite."""
    return bool(learned.norm.isfinite()) and all(bool(value.isfinite()) for value in learned.metrics.values())
