"""Episodes drawn per second, metadx beside its peers; and whether drawing ahead of the step pays."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

import herlev
from comparison import Standing
from contender import Contender, Failed, Side, contender
from drawing import CLASSES, EACH, SIDE, TOGETHER, write_pictures
from environments import python_of
from metadx.algorithms import build_algorithm
from metadx.studies import build_problem, read_recipe
from metadx.studies.demo import demo_recipe
from metadx.tasks import Shape
from metadx.training import feed_for, train
from reporting import missing, rates, ratio, timed

EPISODES = 20 * TOGETHER
SIDES = (
    Side("metadx", "metadx_sampling", None),
    Side("learn2learn", "learn2learn_sampling", "learn2learn"),
    Side("easyfsl", "easyfsl_sampling", "easyfsl"),
)
WORDS = f"{CLASSES:,} classes of {EACH} pictures, {SIDE} x {SIDE}, 5-way 1-shot, 1 query per class, in memory"
RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "omniglot-protonet.yaml"
AHEAD = (0, 2)
_STEPS = 12


def measure(rounds: int) -> None:
    """Rows of episodes per second of every side, of data at hand, and of steps with and without drawing ahead."""
    _against_peers(rounds)
    _own(rounds)
    _ahead(rounds)


def _against_peers(rounds: int) -> None:
    standings = _run(rounds)
    for side, standing in standings.items():
        if standing.why:
            missing(f"bench-sampling-rate-{side}", f"{WORDS}: {side}", "episodes per second", standing.why)
        else:
            rates(f"bench-sampling-rate-{side}", f"{WORDS}: {side}", standing.turns, EPISODES, standing.about)
    ours = standings.pop("metadx")
    peers = {side: one for side, one in standings.items() if one.turns and not one.why}
    if peers and ours.turns:
        fastest = min(peers, key=lambda side: peers[side].seconds)
        words = f"{WORDS}: metadx against {fastest}, the fastest peer"
        ratio("bench-sampling-ratio", words, ours, peers[fastest])


def _run(rounds: int) -> dict[str, Standing]:
    standings = {side.name: Standing() for side in SIDES}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        file = Path(folder) / "pictures.npz"
        write_pictures(file)
        at_work: dict[str, Contender] = {}
        for side in SIDES:
            try:
                one = running.enter_context(contender(side, python_of(side.peer)))
                threads = one.ask("fill", file=str(file))["threads"]
                standings[side.name].about = f"{one.version}, {threads} threads"
                at_work[side.name] = one
            except Failed as error:
                standings[side.name].why = str(error)
        for _ in range(rounds):
            for name, one in at_work.items():
                standings[name].turns.append(one.ask("draw", number=EPISODES)["seconds"])
    return standings


def _own(rounds: int) -> None:
    """Batches of 16 tasks of real data, as training draws them."""
    shape, rng = Shape(ways=5, shots=5, query=15), np.random.default_rng(0)
    thyroid = build_problem(demo_recipe(0)).splits.test
    _rate(
        "thyroid",
        lambda: thyroid.sample(rng, 16, shape.model_copy(update={"query": 5})),
        rounds,
    )
    if os.environ.get("METADX_DATA"):
        cells = herlev.source()
        _rate("herlev", lambda: [cells.task(cells.draw(rng, shape)) for _ in range(16)], rounds)
    else:
        why = "METADX_DATA does not say where it is"
        missing("bench-sampling-herlev", "Herlev", "episodes per second", why)


def _rate(name: str, draw: Callable[[], object], rounds: int, repeats: int = 10) -> None:
    draw()
    turns = [_seconds(lambda: [draw() for _ in range(repeats)]) for _ in range(rounds)]
    words = f"{name}: 5-way 5-shot episodes drawn, in batches of 16"
    rates(f"bench-sampling-{name}", words, turns, 16 * repeats)


def _ahead(rounds: int) -> None:
    """A step of Omniglot's prototypical network, its batch drawn when it is needed or ahead, in turn."""
    name = "bench-sampling-ahead"
    words = "a step of recipes/omniglot-protonet.yaml"
    if not os.environ.get("METADX_DATA"):
        missing(f"{name}-ratio", words, "times as fast", "METADX_DATA does not say where Omniglot is")
        return
    recipe = read_recipe(RECIPE)
    problem = build_problem(recipe)
    algorithm = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, 0)
    feed = feed_for(algorithm, problem.splits.train)
    standings = {ahead: Standing() for ahead in AHEAD}

    def turn(ahead: int) -> float:
        settings = recipe.training.model_copy(update={"iterations": _STEPS, "ahead": ahead})
        steps: list[float] = []
        train(algorithm, feed, [], settings, [lambda record: steps.append(1 / record["tasks_per_second"])])
        return median(steps[2:])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    turn(0)
    for _ in range(rounds):
        for ahead, standing in standings.items():
            standing.turns.append(turn(ahead))
    torch.set_num_threads(threads)
    device = "GPU" if torch.cuda.is_available() else "1 threads"
    where = "gpu" if torch.cuda.is_available() else "cpu"
    for ahead, standing in standings.items():
        how = f"{ahead} batches drawn ahead" if ahead else "drawn when needed"
        timed(f"{name}-{where}-{ahead}", f"{words}, {how}", standing.turns, device)
    later, sooner = standings.values()
    ratio(f"{name}-{where}-ratio", f"{words}, drawn ahead against when needed, {device}", sooner, later)


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
