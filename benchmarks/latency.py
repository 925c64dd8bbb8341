"""How long a user waits: adapting to labelled cases and predicting one patient."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from metadx.algorithms import Dimensions, Engine, build_algorithm, choose_way
from metadx.diagnosis import Diagnoser
from metadx.learners import NamedSettings
from metadx.studies import build_problem, train_recipe
from metadx.studies.demo import demo_recipe
from metadx.studies.diagnosing import model_of
from metadx.tasks import ConditionSource, Shape, Task, make_examples
from reporting import figure

TIMES = {"demo": 400, "images": 60}
MOST = {"demo": 50, "stride": 400, "pool": 900}  # ms


def measure(rounds: int) -> None:
    """Rows of latency; `rounds` plays no part."""
    _demo()
    for downsample in ("stride", "pool"):
        _image(downsample)


def _demo() -> None:
    """The demonstration's model after a few steps of training: how good it is does not change its speed."""
    recipe = demo_recipe(0)
    training = recipe.training.model_copy(update={"iterations": 10, "meta_batch": 4})
    with tempfile.TemporaryDirectory() as folder:
        run = train_recipe(recipe.model_copy(update={"training": training}), Path(folder) / "run")
        model = model_of(run)
    source = build_problem(recipe).splits.test.sources()[0]
    assert isinstance(source, ConditionSource)
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(TIMES["demo"]):
        episode = source.draw(rng, Shape(ways=5, shots=5, query=1))
        index = np.concatenate([np.asarray(row) for row in episode.support])
        label = np.repeat(np.array(episode.conditions), [len(row) for row in episode.support])
        support, patient = source.cases.x[index], source.cases.x[[episode.query[0][0]]]
        seconds.append(
            _seconds(lambda x=support, y=label, z=patient: Diagnoser(model).fit(x, y).predict_proba(z))
        )
    words = "the demonstration's model, adapted to 5 conditions of 5 patients each, and one patient predicted"
    _rows("demo", words, seconds)


def _image(downsample: str) -> None:
    """MAML's conv4-64 on pictures 64 x 64."""
    learner = NamedSettings.model_validate({"name": "convnet", "downsample": downsample})
    maml = NamedSettings.model_validate({"name": "maml", "inner_steps": 5})
    algorithm = build_algorithm(maml, learner, Dimensions((3, 64, 64), 5, 5))
    params, state = algorithm.init(np.random.default_rng(0))
    engine = Engine(algorithm, choose_way(algorithm, params))
    support = make_examples(torch.rand(25, 3, 64, 64), torch.arange(25) % 5, 5)
    task = Task(support, make_examples(torch.rand(1, 3, 64, 64), torch.zeros(1), 5))
    seconds = [_seconds(lambda: engine.predict(params, state, [task])) for _ in range(TIMES["images"])]
    words = f"MAML, conv4-64 ({downsample}), 64 x 64, 5-way 5-shot, 5 steps, and one picture predicted"
    _rows(downsample, words, seconds)


def _rows(name: str, words: str, seconds: list[float]) -> None:
    for percent in (50, 99):
        figure(
            f"bench-latency-{name}-p{percent}",
            words,
            f"ms, {percent}th percentile",
            1000 * float(np.percentile(seconds[1:], percent)),
            n=len(seconds) - 1,
            better="lower",
            target=MOST[name] if percent == 99 else None,
        )


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
