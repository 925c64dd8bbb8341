"""ProtoNet over many episodes, as metadx evaluates it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import herlev
from metadx.algorithms import Embedder, ProtoNet, as_predictor
from metadx.evaluation import evaluate
from metadx.learners import keep_statistics
from metadx.tasks import DrawnTasks
from networks import embedding, filled


def evaluation(file: Path, part: int, parts: int) -> Callable[[], float]:
    """From every `parts`-th episode, the first being `part`, to their mean accuracy."""
    with np.load(file) as arrays:
        number = len(arrays["support"])
        network = filled(embedding(3), arrays)
    cells = herlev.source()
    drawn = herlev.episodes(cells, number)[part::parts]
    algorithm = ProtoNet(keep_statistics(network))
    params, state = algorithm.init(np.random.default_rng(0))

    def run() -> float:
        embedder = Embedder(algorithm, params, state)
        predictor = as_predictor(embedder.head, embedder.params, embedder.state)
        scores = evaluate(predictor, embedder.tasks(DrawnTasks([(cells, episode) for episode in drawn])))
        return float(np.mean(scores.episode["accuracy"]))

    return run
