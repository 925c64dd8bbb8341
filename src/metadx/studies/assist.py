"""What the processes of a training do that are not the first: the same, without writing or saying anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from metadx.errors import UserError
from metadx.studies.build import build_problem
from metadx.studies.recipe_file import parse_recipe
from metadx.studies.runs import fingerprints
from metadx.studies.study import train_one
from metadx.training import Checkpoint, Checkpointer, Lost, Processes, stop_signals
from metadx.training.checkpointer import Asked


def begin_together(processes: Processes, origin: dict[str, Any], start: Checkpoint | None) -> None:
    """Lets the others begin, with what the first process knows: what the run is made from, and where it stands."""
    plain = {"origin": origin, "numbers": None if start is None else start.numbers}
    processes.tell(json.dumps(plain).encode())
    if start is not None:
        processes.tell(save(start.tensors))


def assist(processes: Processes) -> bool:
    """Trains along with the first process, which alone reads and writes the run folder.

    Returns:
        False where the first process ended before it began, and has said why.

    Raises:
        UserError: this process cannot do what the first does, such as for want of the same data.
        Interrupted: a signal asked one of the processes for a stop.
    """
    try:
        plain = json.loads(processes.hear())
        numbers = plain["numbers"]
        start = None if numbers is None else Checkpoint(load(processes.hear()), numbers, plain["origin"])
    except Lost:
        return False
    recipe = parse_recipe(plain["origin"]["recipe"], "recipe")
    problem = build_problem(recipe)
    if fingerprints(problem) != plain["origin"]["fingerprints"]:
        raise UserError(
            f"process {processes.rank + 1} of {processes.count}: {problem.data.name} holds other cases here than "
            "where the first process is. Put the same data on every machine."
        )
    with stop_signals() as asked:
        keeper = Checkpointer(
            Path(), float("inf"), start, asked=agreed(asked, processes), write=lambda folder, checkpoint: None
        )
        train_one(recipe.algorithm, recipe, problem, checkpoint=keeper, processes=processes)
    return True


def agreed(asked: Asked, processes: Processes) -> Asked:
    """Asks for a stop where any of the processes was asked for one, so that all stop after the same step."""
    return lambda: int(processes.largest(asked() or 0)) or None
