"""What one batch teaches every algorithm: run by `torchrun` on several processes, or called in one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from contracts.algorithms import CLASSES, ROWS, Row, start
from contracts.examples import BATCH_NORM, PLAIN, TABLE, draw_task, pooled, ragged
from metadx.algorithms import Context, Engine, Way
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples, Task, stack
from metadx.training import Processes, joined
from metadx.training.batch import learn, refuse_idle
from metadx.training.trainer import validate

UPDATING = [row for row in ROWS if row.over(PLAIN).consumes != "nothing"]
WAYS: tuple[Way, ...] = ("loop", "vmap")


def taught(row: Row, way: Way, processes: Processes) -> Tensors:
    """Direction, state, metrics and meta-validation score of five ragged tasks, or of pooled cases."""
    algorithm = row.over(PLAIN)
    params, state = start(algorithm)
    rng = np.random.default_rng(0)
    tasks = [*ragged(rng, TABLE), *ragged(rng, TABLE)[1:]]
    batch: Task | Examples = stack(tasks)
    if algorithm.consumes == "cases":
        batch = pooled(draw_task(rng, TABLE, query=5), CLASSES)
    engine = Engine(algorithm, way)
    learned = learn(engine, params, state, batch, Context(rng, 3, train=True), processes)
    assert learned.direction is not None
    score = validate(engine, params, state, tasks, processes)
    parts = {"direction": learned.direction, "state": learned.state, "metrics": learned.metrics}
    named = {f"{part}.{name}": value for part, given in parts.items() for name, value in given.items()}
    return named | {"score": torch.tensor(score, dtype=torch.float64)}


def check_gathering(processes: Processes) -> None:
    """Results of several shapes and types, of fewer and of more items than processes, come together in order."""
    for items in (1, 2, 5):
        every = (torch.arange(items * 6.0).reshape(items, 2, 3), {"whole": torch.arange(items)})
        share = processes.share(items)
        x, rest = processes.gather((every[0][share], {"whole": every[1]["whole"][share]}), items)
        assert torch.equal(x, every[0])
        assert torch.equal(rest["whole"], every[1]["whole"])
    assert processes.largest(processes.rank) == processes.count - 1


def check_refusals(processes: Processes) -> None:
    """What cannot be shared out is refused in every process."""
    refusal = ""
    try:
        refuse_idle(processes, processes.count - 1)
    except UserError as error:
        refusal = str(error)
    assert refusal.startswith(f"training.meta_batch is {processes.count - 1}, which does not give each of")
    row = next(row for row in ROWS if row.name == "FineTune")
    algorithm = row.over(BATCH_NORM)
    cases = pooled(draw_task(np.random.default_rng(0), BATCH_NORM.shape), CLASSES)
    try:
        learn(Engine(algorithm), *start(algorithm), cases, Context(), processes)
    except UserError as error:
        refusal = str(error)
    assert refusal.startswith("batch norms take their statistics from whole batches of cases")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined() as together:
        check_gathering(together)
        check_refusals(together)
        for row in UPDATING:
            for way in WAYS:
                found = taught(row, way, together)
                if together.rank == 0:
                    save_file(found, Path(sys.argv[1]) / f"{row.name}-{way}.safetensors")
