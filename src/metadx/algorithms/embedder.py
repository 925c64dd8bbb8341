"""Algorithms that only fit a head, taken apart: the network embeds every case once, and heads read embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm
from metadx.algorithms.engine import choose_way, home, over_tasks
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import CaseSource, DrawnTasks, Task, stack, with_inputs

_NUMBERS_TOGETHER = 250_000  # of inputs; what layers make of more does not fit into the cache of a processor
_TASKS_TOGETHER = 16


class Embedder:
    """The network of a trained algorithm, apart from its head, which does on embeddings what both do on inputs.

    Where the network embeds every case by itself, a case of several drawn tasks is embedded once. Where its batch
    norms take their statistics from the cases of a task, a case is embedded in every task anew.

    Args:
        algorithm: one that `fits_head`.
        params, state: its tensors.

    Attributes:
        head: the same algorithm, whose inputs are embeddings.
        params, state: the tensors of the head.

    Raises:
        UserError: the algorithm adapts its network, or has none.
    """

    def __init__(self, algorithm: Algorithm, params: Tensors, state: Tensors) -> None:
        if not algorithm.fits_head:
            raise UserError(
                f"{type(algorithm).__name__} does more than fit a head to what its network embeds"
            )
        whole: Any = algorithm
        self.head: Algorithm = replace(whole, network=nn.Identity())
        self._net, self._tensors = whole.net, params | state
        self.params, self.state = (
            {name: t for name, t in tensors.items() if name not in self._net.names}
            for tensors in (params, state)
        )
        self._device = home(params, state)
        self._way = choose_way(algorithm, params, self._device)
        self._known: dict[CaseSource, _Known] = {}

    def tasks(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks with embeddings in the place of inputs, shape (cases, width), made when they are looked at."""
        shared = (
            isinstance(tasks, DrawnTasks)
            and not self._net.batch_statistics
            and all(isinstance(source, CaseSource) for source, _ in tasks.drawn)
        )
        return _Embedded(tasks, self._case_by_case if shared else self._task_by_task)

    @torch.no_grad()
    def _case_by_case(self, tasks: DrawnTasks) -> list[Task]:
        numbered: dict[CaseSource, list[tuple[int, Task]]] = {}
        for place, (source, episode) in enumerate(tasks.drawn):
            assert isinstance(source, CaseSource)
            numbered.setdefault(source, []).append((place, source.numbered(episode)))
        made: dict[int, Task] = {}
        for source, group in numbered.items():
            known = self._known.setdefault(source, _Known(source, self._rows))
            known.add(np.concatenate([part.x.numpy() for _, task in group for part in task]))
            made |= {place: with_inputs(task, known) for place, task in group}
        return [made[place] for place in range(len(tasks))]

    @torch.no_grad()
    def _task_by_task(self, tasks: Sequence[Task]) -> list[Task]:
        together = _TASKS_TOGETHER if self._way != "loop" else 1
        made = []
        for start in range(0, len(tasks), together):
            group = list(tasks[start : start + together])
            embedded = over_tasks(self._both, stack(group).to(self._device), self._way)
            for task, *rows in zip(group, *(x.cpu() for x in embedded), strict=True):
                pairs = zip(task, rows, strict=True)
                made.append(Task(*(part._replace(x=x[: len(part.x)]) for part, x in pairs)))
        return made

    def _rows(self, x: Tensor) -> Tensor:
        rows: Tensor = self._net(self._tensors, x.to(self._device)).cpu()
        return rows

    def _both(self, task: Task) -> tuple[Tensor, Tensor]:
        """Embeddings of support and query cases; their statistics are the support cases', or each set's own."""
        support, query = task
        if self.head.transductive:
            return self._net(self._tensors, *support[::2]), self._net(self._tensors, *query[::2])
        x, mask = torch.cat([support.x, query.x]), torch.cat([support.mask, torch.zeros_like(query.mask)])
        rows = self._net(self._tensors, x, mask)
        return rows[: len(support.x)], rows[len(support.x) :]


class _Known:
    """The embeddings of those cases of a source that were looked at."""

    def __init__(self, source: CaseSource, embed: Callable[[Tensor], Tensor]) -> None:
        self._source, self._embed = source, embed
        self._place: dict[int, int] = {}
        self._rows: list[Tensor] = []

    def add(self, index: NDArray[np.int64]) -> None:
        """Embeds the cases that are new."""
        new = [number for number in np.unique(index).tolist() if number not in self._place]
        if new:
            x = self._source.inputs(np.array(new))
            parts = torch.split(x, max(1, _NUMBERS_TOGETHER // x[0].numel()))
            self._place |= {number: len(self._place) + i for i, number in enumerate(new)}
            self._rows = [torch.cat([*self._rows, *map(self._embed, parts)])]

    def __call__(self, index: NDArray[np.int64]) -> Tensor:
        return self._rows[0][[self._place[number] for number in index.tolist()]]


class _Embedded(Sequence[Task]):
    """Tasks that `embed` makes of others when they are looked at."""

    def __init__(self, tasks: Sequence[Task], embed: Callable[[Any], list[Task]]) -> None:
        self._tasks, self._embed = tasks, embed

    def __len__(self) -> int:
        return len(self._tasks)

    @overload
    def __getitem__(self, at: int) -> Task: ...
    @overload
    def __getitem__(self, at: slice) -> list[Task]: ...
    def __getitem__(self, at: int | slice) -> Task | list[Task]:
        if isinstance(at, slice):
            return self._embed(self._tasks[at])
        return self._embed(self._tasks[at:][:1])[0]
