"""Seconds per meta-step of every workload, on every side in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comparison import ALIKE, METADX, PEERS, PLAIN, TOGETHER, Standing, compare, gradients, started
from reporting import COMMAND, figure, missing, ratio, timed
from workloads import WORKLOADS


def measure(names: Sequence[str], rounds: int, way: str | None = None, device: str = "cpu") -> None:
    """A row for each side, and one against the fastest peer whose gradient is right.

    Args:
        way: how metadx runs tasks; its own choice for None.
    """
    ours = METADX._replace(settings={"way": way} if way else None)
    for name in names:
        with started([ours, *PEERS, PLAIN]) as sides:
            off = gradients(sides, name, device)
            running = {side: one for side, one in sides.items() if side != PLAIN.name}
            standings = compare(running, name, rounds, device=device)
        for side, standing in standings.items():
            _row(name, side, standing, off[side], device)
        right = {side: s for side, s in standings.items() if s.turns and off[side] <= ALIKE}
        _against(name, right, device)


def _id(what: str, name: str, device: str) -> str:
    """Of rows of a workload."""
    return f"bench-{what}-{name}" if device == "cpu" else f"bench-gpu-{what}-{name}"


def _command(device: str) -> str:
    return COMMAND if device == "cpu" else f"python benchmarks/bench.py speed --device {device}"


def _row(name: str, side: str, standing: Standing, off: float, device: str) -> None:
    """The rows of one side: its time, and how far off its gradient is."""
    words, id = f"{WORKLOADS[name].words}: {side}", f"{_id('time', name, device)}-{side}"
    command = _command(device)
    if not standing.turns:
        missing(id, words, "ms", standing.why, command)
        return
    wrong = "" if off <= ALIKE else f"; no peer here: its meta-gradient is {off:.1%} off"
    timed(id, words, standing.turns, standing.about + wrong, command=command)
    figure(
        f"{_id('gradient', name, device)}-{side}",
        f"{words}, float64 meta-gradient against that of a loop by hand",
        "relative distance",
        off,
        better="lower",
        target=ALIKE if side == METADX.name else None,
        command=command,
    )


def _against(name: str, right: Mapping[str, Standing], device: str) -> None:
    """The ratio to the fastest peer, and to the fastest that runs tasks one by one, among those who are right."""
    id, workload, command = _id("ratio", name, device), WORKLOADS[name], _command(device)
    peers = {side: standing for side, standing in right.items() if side != METADX.name}
    if not peers or METADX.name not in right:
        why = "metadx or every peer failed, or its gradient is wrong"
        missing(id, workload.words, "times as fast", why, command)
        return
    asked = workload.least if device == "cpu" else workload.least_on_gpu
    hoped = f" (hoped for: {workload.hoped:g})" if device == "cpu" else ""
    fastest = min(peers, key=lambda side: peers[side].seconds)
    what = f"{workload.words}: metadx against {fastest}, the fastest peer{hoped}"
    ratio(id, what, right[METADX.name], peers[fastest], command, target=asked)
    loops = {side: standing for side, standing in peers.items() if side != TOGETHER.name}
    if loops:
        fastest = min(loops, key=lambda side: loops[side].seconds)
        what = (
            f"{workload.words}: metadx against {fastest}, the fastest peer that runs one task after the other"
        )
        ratio(f"{id}-loop", what, right[METADX.name], loops[fastest], command)
