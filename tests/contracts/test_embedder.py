"""The head of an algorithm that only fits one does on embeddings what the algorithm does on inputs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from contracts.algorithms import ROWS, Row, start
from contracts.examples import LEARNERS, PLAIN, WIDTH, Learner, close, ragged
from contracts.test_ragged import modes
from metadx.algorithms import Embedder, Engine, as_predictor, solve
from metadx.errors import UserError
from metadx.tasks import DrawnTasks, Episode, Examples, Shape, Task, with_inputs

HEADS = [row for row in ROWS if row.over(PLAIN).fits_head]


class Numbered(Episode):
    task: int


class Shared:
    """Ragged tasks of 12 cases in all; counts how often the inputs of each were asked for."""

    name, classification = "shared", True

    def __init__(self, learner: Learner, rng: np.random.Generator) -> None:
        self.x = torch.from_numpy(rng.normal(size=(12, *learner.shape)))
        self.asked: Counter[int] = Counter()
        self._tasks = [
            Task(*(part._replace(x=torch.from_numpy(rng.permutation(12)[: len(part.x)])) for part in task))
            for task in ragged(rng, learner.shape)
        ]
        self.drawn = DrawnTasks([(self, Numbered(task=i)) for i in range(len(self._tasks))])

    def patients(self) -> frozenset[str]:
        return frozenset()

    def conditions(self) -> frozenset[str]:
        return frozenset()

    def draw(self, rng: np.random.Generator, shape: Shape) -> Numbered:
        return Numbered(task=0)

    def numbered(self, episode: Numbered) -> Task:
        return self._tasks[episode.task]

    def task(self, episode: Numbered) -> Task:
        return with_inputs(self.numbered(episode), self.inputs)

    def inputs(self, index: NDArray[np.int64]) -> Tensor:
        self.asked.update(index.tolist())
        return self.kept(index)

    def kept(self, index: NDArray[np.int64]) -> Tensor:
        return self.x[torch.from_numpy(index)]


def test_every_head_that_leaves_its_network_alone_is_among_them() -> None:
    assert {row.name for row in HEADS} == {
        "ProtoNet",
        "MatchingNet",
        "Mahalanobis",
        "R2-D2",
        "LR-D2",
        "GaussianProcess",
        "LinearProbe",
        "Baseline++",
    }


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
@pytest.mark.parametrize("row", HEADS, ids=lambda row: row.name)
def test_a_head_on_embeddings_says_what_the_algorithm_says(
    row: Row, learner: Learner, rng: np.random.Generator
) -> None:
    source = Shared(learner, rng)
    for mode in modes(row):
        algorithm = row.over(learner, **mode)
        params, state = start(algorithm)
        embedder = Embedder(algorithm, params, state)
        embedded = embedder.tasks(source.drawn)
        for tasks in (embedded, embedder.tasks(list(source.drawn))):
            found = Engine(embedder.head, "vmap").predict(embedder.params, embedder.state, list(tasks))
            for task, output in zip(source.drawn, found, strict=True):
                assert close(output, solve(algorithm, params, state, task), 1e-8)
        assert torch.equal(embedded[1].query.x, embedded[:2][1].query.x)


@pytest.mark.parametrize("row", HEADS, ids=lambda row: row.name)
def test_a_case_is_embedded_once_however_many_tasks_it_is_in(row: Row, rng: np.random.Generator) -> None:
    source = Shared(PLAIN, rng)
    algorithm = row.over(PLAIN)
    embedder = Embedder(algorithm, *start(algorithm))
    embedded = embedder.tasks(source.drawn)
    for _ in range(2):
        as_predictor(embedder.head, embedder.params, embedder.state)(embedded[:2])
        as_predictor(embedder.head, embedder.params, embedder.state)(embedded[2:])
    numbers = {n for e in source.drawn.drawn for part in source.numbered(e[1]) for n in part.x.tolist()}
    assert source.asked == Counter(numbers)


def test_a_task_without_support_cases_is_embedded_too(rng: np.random.Generator) -> None:
    source = Shared(PLAIN, rng)
    support, query = source._tasks[0]
    source._tasks[0] = Task(Examples(*(part[:0] for part in support)), query)
    algorithm = next(row for row in HEADS if row.name == "ProtoNet").over(PLAIN)
    task = Embedder(algorithm, *start(algorithm)).tasks(source.drawn)[0]
    assert task.support.x.shape == (0, WIDTH)
    assert task.query.x.shape == (len(query.x), WIDTH)


@pytest.mark.parametrize("name", ["MAML", "FineTune", "NearestCentroid"])
def test_an_algorithm_that_does_more_than_fit_a_head_is_refused(name: str) -> None:
    algorithm = next(row for row in ROWS if row.name == name).over(PLAIN)
    with pytest.raises(UserError, match="does more than fit a head"):
        Embedder(algorithm, *start(algorithm))
