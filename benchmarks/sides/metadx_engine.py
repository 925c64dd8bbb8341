"""metadx's engine, as `metadx train` runs it."""

from __future__ import annotations

import numpy as np
import torch

from metadx.algorithms import MAML, SQUARED_ERROR, Context, Engine, choose_way, engine
from metadx.learners import NamedSettings, build_learner, networks_in
from metadx.tasks import Task, make_examples, stack
from metadx.tasks.task import Examples
from sides.side import Side
from workloads import Cases, Problem, with_weights

engine._OFTEN = engine._SOON  # what is measured are later meta-steps of a training, which begin sooner so
_UNTIL_RECORDED = 10  # meta-steps, after which all are alike


def side(problem: Problem) -> Side:
    """The way that the engine chooses itself, unless the settings name one or ask for the first meta-step;
    in float32, unless they name what networks compute in.

    Peers normalise each batch by its own statistics, the query set by those of the query set; so does MAML where it
    is transductive.
    """
    workload = problem.workload
    settings = dict(problem.settings)
    way, dtype, first = (settings.pop(name, None) for name in ("way", "dtype", "first"))
    loss = {} if workload.ways else {"loss": SQUARED_ERROR}
    learner = build_learner(
        NamedSettings.model_validate(workload.learner), workload.shape, workload.outputs
    ).to(problem.weights[0])
    algorithm = MAML(
        with_weights(learner, problem.weights),
        workload.inner_lr,
        problem.steps,
        transductive=True,
        **loss,
        **settings,
    )
    device = problem.weights[0].device
    params, state = (
        {name: value.to(device) for name, value in made.items()}
        for made in algorithm.init(np.random.default_rng(0))
    )
    leaves = {name: value.requires_grad_() for name, value in params.items()}
    chosen = way or choose_way(algorithm, params, device)
    if first and chosen == "recorded":
        chosen = "vmap"
    runner = Engine(algorithm, chosen)
    batch, training = _batch(problem), Context(train=True)

    def backward() -> None:
        with networks_in(getattr(torch, dtype) if dtype else None):
            direction, _, _ = runner.update(
                {n: p.detach() for n, p in leaves.items()}, state, batch, training
            )
        for name, leaf in leaves.items():
            leaf.grad = direction[name]

    return Side(
        list(leaves.values()),
        backward,
        about=str(chosen),
        fused=True,
        warm=_UNTIL_RECORDED if chosen in ("recorded", "compiled") else 0,
    )


def _batch(problem: Problem) -> Task:
    """The tasks as metadx's own sampling makes them."""
    pairs = zip(*problem.support, *problem.query, strict=True)
    return stack([Task(_examples(problem, x, y), _examples(problem, qx, qy)) for x, y, qx, qy in pairs])


def _examples(problem: Problem, x: torch.Tensor, y: torch.Tensor) -> Examples:
    if problem.workload.ways:
        return make_examples(x, y, problem.workload.ways)
    return Examples(*Cases(x, y), torch.ones(len(x), dtype=x.dtype))
