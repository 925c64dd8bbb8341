"""Seconds per meta-step of every workload, on every side in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comparison import ALIKE, METADX, PEERS, TOGETHER, Standing, compare, gradients
from reporting import figure, missing, ratio, timed
from workloads import WORKLOADS


def measure(names: Sequence[str], rounds: int, way: str | None = None) -> None:
    """A row for each side, and one against the fastest peer whose gradient is right.

    Args:
        way: how metadx runs tasks; its own choice for None.
    """
    ours = METADX._replace(settings={"way": way} if way else None)
    for name in names:
        off = gradients([ours, *PEERS], name)
        standings = compare([ours, *PEERS], name, rounds)
        for side, standing in standings.items():
            _row(name, side, standing, off[side])
        _against(name, {side: s for side, s in standings.items() if s.turns and off[side] <= ALIKE})


def _row(name: str, side: str, standing: Standing, off: float) -> None:
    """The rows of one side: its time, and how far off its gradient is."""
    words, id = f"{WORKLOADS[name].words}: {side}", f"bench-time-{name}-{side}"
    if not standing.turns:
        missing(id, words, "ms", standing.why)
        return
    wrong = "" if off <= ALIKE else f"; no peer here: its meta-gradient is {off:.1%} off"
    timed(id, words, standing.turns, standing.about + wrong)
    figure(
        f"bench-gradient-{name}-{side}",
        f"{words}, float64 meta-gradient against that of a loop by hand",
        "relative distance",
        off,
        better="lower",
        target=ALIKE if side == METADX.name else None,
    )


def _against(name: str, right: Mapping[str, Standing]) -> None:
    """The ratio to the fastest peer, and to the fastest that runs tasks one by one, among those who are right."""
    id, workload = f"bench-ratio-{name}", WORKLOADS[name]
    peers = {side: standing for side, standing in right.items() if side != METADX.name}
    if not peers or METADX.name not in right:
        missing(id, workload.words, "times as fast", "metadx or every peer failed, or its gradient is wrong")
        return
    fastest = min(peers, key=lambda side: peers[side].seconds)
    what = f"{workload.words}: metadx against {fastest}, the fastest peer (hoped for: {workload.hoped:g})"
    ratio(id, what, right[METADX.name], peers[fastest], target=workload.least)
    loops = {side: standing for side, standing in peers.items() if side != TOGETHER.name}
    if loops:
        fastest = min(loops, key=lambda side: loops[side].seconds)
        what = (
            f"{workload.words}: metadx against {fastest}, the fastest peer that runs one task after the other"
        )
        ratio(f"{id}-loop", what, right[METADX.name], loops[fastest])
