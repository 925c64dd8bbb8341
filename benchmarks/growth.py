"""How time and memory of a meta-step grow: with inner steps, with tasks, with processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from comparison import METADX, PEERS, compare, peak
from contender import Failed, Side
from metadx.algorithms import MAML, Way
from reporting import figure, missing, timed
from workloads import WORKLOADS

STEPS, TASKS, PROCESSES = (1, 2, 4, 8, 16), (1, 4, 16, 64), (1, 2)


def measure(rounds: int) -> None:
    """Rows for each number of steps, tasks and processes."""
    sides = [METADX, *_recomputing(), *PEERS[:-1]]
    words = WORKLOADS["b"].words.rpartition(", ")[0]
    for steps in STEPS:
        _both(f"steps-{steps:02d}", f"{words}, {steps} inner steps", "b", sides, rounds, steps=steps)
    words = WORKLOADS["a"].words.replace("32 tasks, ", "")
    for tasks in TASKS:
        _both(f"tasks-{tasks:02d}", f"{words}, {tasks} tasks", "a", sides, rounds, tasks=tasks)
    for processes in PROCESSES:
        _processes(processes, rounds)


def _recomputing() -> list[Side]:
    """metadx where it computes inner steps again instead of keeping them, if it can."""
    if "recompute" not in MAML.__dataclass_fields__:
        return []
    return [METADX._replace(name="metadx-recomputing", settings={"recompute": True})]


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


def _processes(number: int, rounds: int) -> None:
    """Workload (b) by so many processes of one thread each."""
    id, what = f"bench-growth-processes-{number}", f"{WORKLOADS['b'].words}, {number} processes of one thread"
    if number == 1:
        one = METADX._replace(threads=1)
    elif "processes" in get_args(Way):
        one = METADX._replace(settings={"way": "processes"})
    else:
        missing(id, what, "ms", "the engine runs tasks in one process")
        return
    standing = compare([one], "b", rounds)[METADX.name]
    if standing.turns:
        timed(id, what, standing.turns, standing.about)
    else:
        missing(id, what, "ms", standing.why)
