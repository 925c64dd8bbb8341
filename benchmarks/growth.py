"""How time and memory of a meta-step grow: with inner steps and with tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comparison import METADX, PEERS, compare, peak, started
from contender import Failed, Side
from reporting import figure, missing, timed
from workloads import WORKLOADS, Size

STEPS, TASKS = (1, 2, 4, 8, 16), (1, 4, 16, 64)
PLAINLY = METADX._replace(settings={"way": "vmap"})
RECOMPUTING = METADX._replace(name="metadx-recomputing", settings={"recompute": True})


def measure(rounds: int) -> None:
    """Rows for each number of steps and tasks; metadx as it runs before it has written anything down."""
    sides = [PLAINLY, RECOMPUTING, *PEERS[:-1]]
    words = WORKLOADS["b"].words.rpartition(", ")[0]
    for steps in STEPS:
        what = f"{words}, {steps} inner steps"
        seconds, mebibytes = _both(f"growth-steps-{steps:02d}", what, "b", sides, rounds, Size(steps=steps))
    _recomputing(what, seconds, mebibytes)
    words = WORKLOADS["a"].words.replace("32 tasks, ", "")
    for tasks in TASKS:
        _both(f"growth-tasks-{tasks:02d}", f"{words}, {tasks} tasks", "a", sides, rounds, Size(tasks=tasks))


def _recomputing(words: str, seconds: Mapping[str, float], mebibytes: Mapping[str, float]) -> None:
    """What recomputing saves beside the most sparing peer, and what it costs, where there are most steps."""
    name, peers = RECOMPUTING.name, [side.name for side in PEERS if side.name in mebibytes]
    if name not in mebibytes or not peers:
        missing("bench-growth-recomputing-memory", words, "of the memory", "metadx or every peer failed")
        return
    best = min(peers, key=lambda side: mebibytes[side])
    _share("memory", f"{words}: {name} against {best}, the most sparing peer", mebibytes, best, 1 / 3)
    _share("time", f"{words}: {name} against {best}", seconds, best)
    _share("time", f"{words}: {name} against metadx", seconds, PLAINLY.name, 1.5)


def _share(of: str, what: str, found: Mapping[str, float], other: str, target: float | None = None) -> None:
    """A row of what recomputing takes of time or memory, as a share of what another side takes."""
    share = found[RECOMPUTING.name] / found[other]
    id = f"bench-growth-recomputing-{of}-{other}"
    figure(id, what, f"of its {of}", share, better="lower", target=target)


def _both(
    id: str, words: str, name: str, sides: Sequence[Side], rounds: int, size: Size
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and MiB of every side that ran."""
    seconds: dict[str, float] = {}
    mebibytes: dict[str, float] = {}
    with started(sides) as at_work:
        standings = compare(at_work, name, rounds, size)
    for side in sides:
        standing, what = standings[side.name], f"{words}: {side.name}"
        if not standing.turns:
            missing(f"bench-{id}-time-{side.name}", what, "ms", standing.why)
            continue
        timed(f"bench-{id}-time-{side.name}", what, standing.turns, standing.about)
        found = most(f"bench-{id}-memory-{side.name}", what, side, name, size)
        if found is not None:
            seconds[side.name], mebibytes[side.name] = standing.seconds, found
    return seconds, mebibytes


def most(id: str, what: str, side: Side, name: str, size: Size) -> float | None:
    """A row of the memory that a side takes; gives it in MiB."""
    try:
        found = peak(side, name, size)
    except Failed as error:
        missing(id, what, "MiB at the peak", str(error))
        return None
    figure(id, what, "MiB at the peak", found, better="lower")
    return found
