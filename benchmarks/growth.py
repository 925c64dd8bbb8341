"""How time and memory of a meta-step grow: with inner steps and with tasks."""

from __future__ import annotations

from collections.abc import Sequence

from comparison import METADX, PEERS, compare, peak, started
from contender import Failed, Side
from reporting import figure, missing, timed
from workloads import WORKLOADS, Size

STEPS, TASKS = (1, 2, 4, 8, 16), (1, 4, 16, 64)
RECOMPUTING = METADX._replace(name="metadx-recomputing", settings={"recompute": True})


def measure(rounds: int) -> None:
    """Rows for each number of steps and tasks."""
    sides = [METADX, RECOMPUTING, *PEERS[:-1]]
    words = WORKLOADS["b"].words.rpartition(", ")[0]
    for steps in STEPS:
        _both(
            f"growth-steps-{steps:02d}",
            f"{words}, {steps} inner steps",
            "b",
            sides,
            rounds,
            Size(steps=steps),
        )
    words = WORKLOADS["a"].words.replace("32 tasks, ", "")
    for tasks in TASKS:
        _both(f"growth-tasks-{tasks:02d}", f"{words}, {tasks} tasks", "a", sides, rounds, Size(tasks=tasks))


def _both(id: str, words: str, name: str, sides: Sequence[Side], rounds: int, size: Size) -> None:
    with started(sides) as at_work:
        standings = compare(at_work, name, rounds, size)
    for side in sides:
        standing, what = standings[side.name], f"{words}: {side.name}"
        if not standing.turns:
            missing(f"bench-{id}-time-{side.name}", what, "ms", standing.why)
            continue
        timed(f"bench-{id}-time-{side.name}", what, standing.turns, standing.about)
        most(f"bench-{id}-memory-{side.name}", what, side, name, size)


def most(id: str, what: str, side: Side, name: str, size: Size) -> None:
    """A row of the memory that a side takes."""
    try:
        found = peak(side, name, size)
    except Failed as error:
        missing(id, what, "MiB at the peak", str(error))
    else:
        figure(id, what, "MiB at the peak", found, better="lower")
