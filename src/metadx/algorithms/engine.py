"""Runs an algorithm over a batch of tasks: one after the other, or all at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from metadx.algorithms.algorithm import KEPT, Algorithm, Metrics, solve
from metadx.algorithms.captured import Captures
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.cores import over_cores
from metadx.algorithms.estimator import one_thread
from metadx.algorithms.memory import saves_memory
from metadx.algorithms.recorded import Recorded
from metadx.algorithms.tape import Unknown
from metadx.errors import UserError
from metadx.learners import Tensors, leaves_to_torch, networks_dtype
from metadx.tasks import Task, stack

Way = Literal["loop", "vmap", "recorded", "compiled"]
"""One task after the other; all together under `vmap`; the same from what was written down of it (`Recorded`); or
from that compiled."""
Aggregate = Callable[[Tensors], Tensors]
Result = TypeVar("Result")

_OFTEN = 100  # runs after which writing down what they do pays: it takes as long as some dozens of them
_SOON = 5  # the same on a GPU, where most of the time is saved
_PREDICT_TOGETHER = 64
_MUCH = 50_000  # cases, padding included
_NUMBERS = 1 << 24  # of activations of a first layer that are in memory together, on a CPU
_BYTES_FOR_ONE = (
    1024  # of a GPU's memory for each of them: with what is made of it they fill a quarter or less
)
_SHARED = 1 << 16  # numbers of input from which on every core gets a share of the tasks


def mean(stacked: Tensors) -> Tensors:
    """The plain average of the tasks' directions."""
    return {name: value.mean(0) for name, value in stacked.items()}


def settle(state: Tensors, changed: Tensors) -> Tensors:
    """What a batch of tasks made of the state: the mean over them; but where a tensor remembers cases (`KEPT`), the
    new rows of every task in front of the old ones, of which as many fall off at the end.

    Args:
        state: before the batch.
        changed: tensors that changed, shape (tasks, ...).
    """
    after = {}
    for name, stacked in changed.items():
        rows = [stacked.flatten(0, 1), state[name]] if name.startswith(KEPT) else []
        after[name] = torch.cat(rows)[: len(state[name])] if rows else stacked.mean(0)
    return after


def choose_way(algorithm: Algorithm, params: Tensors, device: torch.device | str = "cpu") -> Way:
    """The way of running a batch of tasks that is likely the fastest: all together.

    It is recorded: starting the many operations, through Python, takes long. Not so where memory is to be saved:
    what is written down computes nothing twice. That, on a CPU, is a loop, which holds one task at a time. So are
    networks with convolutions that `convolve` leaves to torch, in groups or dilated: with weights of each task
    torch makes grouped convolutions of them, which are slow there.
    """
    if not algorithm.tensors and algorithm.consumes == "nothing":
        return "loop"
    network = getattr(algorithm, "network", None)
    slow = isinstance(network, nn.Module) and any(leaves_to_torch(layer) for layer in network.modules())
    if torch.device(device).type == "cpu" and (slow or saves_memory(algorithm)):
        return "loop"
    return "vmap" if saves_memory(algorithm) else "recorded"


def tasks_at_once(params: Tensors, numbers: int) -> int | None:
    """How many tasks go through vmap together; None for all of them, where activations are small.

    Args:
        params: convolutions keep activations many times as large as their inputs, as often as they have channels.
        numbers: that the cases of one task are made of.
    """
    first = _first_convolution(params)
    if first is None:
        return None
    activations = numbers * len(first) // max(1, first.shape[1])
    return max(1, _held_together(first.device) // max(1, activations))


def _held_together(device: torch.device) -> int:
    """Activations of a first layer that are to be in memory together: on a GPU a share of what it has."""
    if device.type != "cuda":
        return _NUMBERS
    return int(torch.cuda.get_device_properties(device).total_memory) // _BYTES_FOR_ONE


def _first_convolution(params: Tensors) -> Tensor | None:
    return next((value for value in params.values() if value.dim() > 2), None)


def over_tasks(function: Callable[[Any], Result], batch: Any, way: Way, at_once: int | None = None) -> Result:
    """The results of a function of one task for every task of a batch, stacked.

    Args:
        function: takes one item and returns tensors, or dicts and tuples of them.
        batch: such tensors, dicts or tuples with a leading task dimension.
        way: one after the other, or together, however often.
        at_once: how many together at most, to bound memory; None for all.
    """
    if way != "loop":
        tasks = _length(batch)
        rounds = math.ceil(tasks / (at_once or tasks))
        size = math.ceil(tasks / rounds) if rounds > 1 else None
        together: Result = torch.func.vmap(function, chunk_size=size)(batch)
        return together
    stacked: Result = _stack([function(_at(batch, i)) for i in range(_length(batch))])
    return stacked


def _length(batch: Any) -> int:
    if isinstance(batch, Tensor):
        return len(batch)
    return _length(next(iter(batch.values() if isinstance(batch, dict) else batch)))


def _at(batch: Any, i: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[i]
    if isinstance(batch, dict):
        return {name: _at(value, i) for name, value in batch.items()}
    parts = [_at(value, i) for value in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)


def _stack(results: Sequence[Any]) -> Any:
    first = results[0]
    if isinstance(first, Tensor):
        return torch.stack(list(results))
    if isinstance(first, dict):
        return {name: _stack([r[name] for r in results]) for name in first}
    parts = [_stack(column) for column in zip(*results, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


def home(*groups: Tensors) -> torch.device:
    """The device that tensors lie on; the CPU where there are none."""
    first = next((value for tensors in groups for value in tensors.values()), None)
    return torch.device("cpu") if first is None else first.device


class Engine:
    """One algorithm, run one way, on the device where its parameters are: tasks are brought there.

    Args:
        algorithm: what to run.
        way: of running; all give the same directions.
        aggregate: reduces the stacked directions of a batch, shape (tasks, ...), to one.
    """

    def __init__(self, algorithm: Algorithm, way: Way = "loop", aggregate: Aggregate = mean) -> None:
        if way != "loop" and not algorithm.tensors and algorithm.consumes == "nothing":
            raise UserError(f"{type(algorithm).__name__} cannot run under vmap; use way='loop'")
        self.algorithm = algorithm
        self.way = way
        self.aggregate = aggregate
        self._recorded: dict[Any, Recorded] = {}
        self._captures: Captures | None = None

    def update(
        self, params: Tensors, state: Tensors, batch: Task, context: Context = EVALUATING
    ) -> tuple[Tensors, Tensors, Metrics]:
        """The aggregated direction, the next state and the mean metrics of a batch of tasks."""
        return self.reduce(state, *self.directions(params, state, batch, context))

    def reduce(
        self, state: Tensors, directions: Tensors, changed: Tensors, metrics: Metrics
    ) -> tuple[Tensors, Tensors, Metrics]:
        """What `update` gives, from what `directions` gives."""
        return self.aggregate(directions), state | settle(state, changed), mean(metrics)

    def directions(
        self, params: Tensors, state: Tensors, batch: Task, context: Context = EVALUATING
    ) -> tuple[Tensors, Tensors, Metrics]:
        """Directions, those tensors of the state that changed, and metrics of each task, stacked."""
        batch = batch.to(home(params, state))
        shares = _shares(batch) if self.way != "loop" else [batch]
        at_once = tasks_at_once(params, _numbers(batch) // len(batch.support.x))
        at_once = at_once and max(1, at_once // len(shares))
        if at_once is not None and at_once >= max(len(share.support.x) for share in shares):
            at_once = None  # or each size of a batch would be written down by itself
        if len(shares) == 1:
            return self._share(0, params, state, batch, context, at_once)
        jobs = [
            partial(self._share, i, params, state, share, _like_vmap(context, i), at_once)
            for i, share in enumerate(shares)
        ]
        together: tuple[Tensors, Tensors, Metrics] = pytree.tree_map(
            lambda *parts: torch.cat(parts), *over_cores(jobs)
        )
        return together

    def _share(
        self,
        number: int,
        params: Tensors,
        state: Tensors,
        batch: Task,
        context: Context,
        at_once: int | None,
    ) -> tuple[Tensors, Tensors, Metrics]:
        """The directions of a share of a batch, with what was recorded for shares of this number."""

        def plainly(params: Tensors, state: Tensors, batch: Task) -> tuple[Tensors, Tensors, Metrics]:
            return self._directions(params, state, batch, context, at_once)

        if self.way in ("loop", "vmap") or context.query is not None:
            return plainly(params, state, batch)
        key = (context.train, networks_dtype(), number, at_once)
        if key not in self._recorded:
            self._recorded[key] = self._recording(context.train, at_once, params)
        directions: tuple[Tensors, Tensors, Metrics] = self._recorded[key](plainly, params, state, batch)
        return directions

    def _directions(
        self, params: Tensors, state: Tensors, batch: Task, context: Context, at_once: int | None
    ) -> tuple[Tensors, Tensors, Metrics]:
        def one(task: Task) -> tuple[Tensors, Tensors, Metrics]:
            direction, after, metrics = self.algorithm.update(params, state, task, context)
            return direction, {name: t for name, t in after.items() if t is not state.get(name)}, metrics

        return over_tasks(one, batch, self.way, at_once)

    @property
    def recorded(self) -> int:
        """For how many layouts of batches, or of shares of them, what was written down runs now."""
        return sum(recorded.recorded for recorded in self._recorded.values())

    def _recording(self, train: bool, at_once: int | None, params: Tensors) -> Recorded:
        self._captures = self._captures or Captures(home(params))
        blind = Context(rng=cast(Any, Unknown()), step=cast(Any, Unknown()), train=train)
        return Recorded(
            partial(self._directions, context=blind, at_once=at_once),
            self._captures,
            compiled=self.way == "compiled",
            often=_SOON if home(params).type == "cuda" else _OFTEN,
        )

    def predict(self, params: Tensors, state: Tensors, tasks: Sequence[Task]) -> list[Tensor]:
        """Logits or values for the query cases of each task on the CPU, in order, padding removed."""
        if not self.algorithm.tensors:
            with one_thread():
                return [self._solve(params, state, task) for task in tasks]
        if self.way == "loop":
            return [self._solve(params, state, task) for task in tasks]
        outputs = []
        most = max((_numbers(task) for task in tasks), default=1)
        at_once = min(_PREDICT_TOGETHER, tasks_at_once(params, most) or _PREDICT_TOGETHER)
        for start in range(0, len(tasks), at_once):
            group = tasks[start : start + at_once]
            if _mostly_padding(group):
                outputs += [self._solve(params, state, task) for task in group]
                continue
            batch = stack(group).to(home(params, state))
            together = torch.func.vmap(lambda task: _solved(self.algorithm, params, state, task))(batch).cpu()
            outputs += [
                out[: len(task.query.x), : task.ways] for out, task in zip(together, group, strict=True)
            ]
        return outputs

    def _solve(self, params: Tensors, state: Tensors, task: Task) -> Tensor:
        return _solved(self.algorithm, params, state, task.to(home(params, state))).cpu()


def _numbers(task: Task) -> int:
    """How many numbers the cases of a task, or of a batch of tasks, are made of."""
    return task.support.x.numel() + task.query.x.numel()


def _shares(batch: Task) -> list[Task]:
    """A batch in as many shares as PyTorch may use threads, where it is on the CPU and enough work."""
    tasks, x = len(batch.support.x), batch.support.x
    cores = min(torch.get_num_threads(), tasks)
    if x.device.type != "cpu" or _numbers(batch) < _SHARED or cores == 1:
        return [batch]
    return [
        pytree.tree_map(lambda t, i=i: t[tasks * i // cores : tasks * (i + 1) // cores], batch)
        for i in range(cores)
    ]


def _like_vmap(context: Context, share: int) -> Context:
    """The context for one of several shares: `vmap` draws random numbers once for all tasks."""
    return context._replace(rng=copy.deepcopy(context.rng)) if share else context


def _mostly_padding(tasks: Sequence[Task]) -> bool:
    """Whether tasks differ so much in length that stacking them would be mostly padding, and much of it."""
    sizes = np.array([[len(part.x) for part in task] for task in tasks])
    padded = int(sizes.max(0).sum()) * len(tasks)
    return padded > _MUCH and padded > 2 * int(sizes.sum())


def _solved(algorithm: Algorithm, params: Tensors, state: Tensors, task: Task) -> Tensor:
    with torch.no_grad():
        return solve(algorithm, params, state, task)


def as_predictor(
    algorithm: Algorithm, params: Tensors, state: Tensors, way: Way | None = None
) -> Callable[[Sequence[Task]], list[Any]]:
    """The algorithm as a function from tasks to probabilities (or values), for `metadx.evaluation`.

    It runs on the device where the parameters are.
    """
    engine = Engine(algorithm, way or choose_way(algorithm, params, home(params, state)))

    def predict(tasks: Sequence[Task]) -> list[Any]:
        outputs: list[Tensor] = engine.predict(params, state, tasks)
        if algorithm.loss.classification:
            outputs = [torch.softmax(output.double(), -1) for output in outputs]
        return [output.numpy() for output in outputs]

    return predict
