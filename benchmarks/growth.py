"""How time and memory of a meta-step grow: with inner steps and with tasks."""

from __future__ import annotations

from collections.abc import Sequence

from comparison import METADX, PEERS, compare, peak
from contender import Failed, Side
from reporting import figure, missing, timed
from workloads import WORKLOADS

STEPS, TASKS = (1, 2, 4, 8, 16), (1, 4, 16, 64)
RECOMPUTING = METADX._replace(name="metadx-recomputing", settings={"recompute": True})


def measure(rounds: int) -> None:
    """Rows for each number of steps and tasks."""
    sides = [METADX, RECOMPUTING, *PEERS[:-1]]
    words = WORKLOADS["b"].words.rpartition(", ")[0]
    for steps in STEPS:
        _both(f"steps-{steps:02d}", f"{words}, {steps} inner steps", "b", sides, rounds, steps=steps)
    words = WORKLOADS["a"].words.replace("32 tasks, ", "")
    for tasks in TASKS:
        _both(f"tasks-{tasks:02d}", f"{words}, {tasks} tasks", "a", sides, rounds, tasks=tasks)


def _both(
    id: str,
    words: str,
    name: str,
    sides: Sequence[Side],
    rounds: int,
    *,
    tasks: int | None = None,
    steps: int | None = None,
) -> None:
    standings = compare(sides, name, rounds, tasks=tasks, steps=steps)
    for side in sides:
        standing, what = standings[side.name], f"{words}: {side.name}"
        if not standing.turns:
            missing(f"bench-growth-{id}-time-{side.name}", what, "ms", standing.why)
            continue
        timed(f"bench-growth-{id}-time-{side.name}", what, standing.turns, standing.about)
        try:
            most = peak(side, name, tasks=tasks, steps=steps)
        except Failed as error:
            missing(f"bench-growth-{id}-memory-{side.name}", what, "MiB at the peak", str(error))
            continue
        figure(f"bench-growth-{id}-memory-{side.name}", what, "MiB at the peak", most, better="lower")
