"""Seconds per meta-step of every workload, on every side in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comparison import ALIKE, METADX, PEERS, Standing, compare
from reporting import figure, missing, ratio, timed
from workloads import WORKLOADS


def measure(names: Sequence[str], rounds: int, way: str | None = None) -> None:
    """A row for each side, and one against the fastest peer whose gradient is right.

    Args:
        way: how metadx runs tasks; its own choice for None.
    """
    ours = METADX._replace(settings={"way": way} if way else {})
    for name in names:
        standings = compare([ours, *PEERS], name, rounds)
        words = WORKLOADS[name].words
        for side, standing in standings.items():
            _row(name, words, side, standing)
        _against(name, words, standings)


def _row(name: str, words: str, side: str, standing: Standing) -> None:
    id = f"bench-time-{name}-{side}"
    if not standing.turns:
        missing(id, f"{words}: {side}", "ms", standing.why)
        return
    wrong = "" if standing.right else f"; no peer here: its meta-gradient is {standing.off:.1%} off"
    timed(id, f"{words}: {side}", standing.turns, standing.about + wrong)
    figure(
        f"bench-gradient-{name}-{side}",
        f"{words}: {side}, float64 meta-gradient against the plain loop's",
        "relative distance",
        standing.off,
        better="lower",
        target=ALIKE if side == METADX.name else None,
    )


def _against(name: str, words: str, standings: Mapping[str, Standing]) -> None:
    """The ratio to the fastest peer, at equal gradients."""
    id, workload = f"bench-ratio-{name}", WORKLOADS[name]
    ours = standings[METADX.name]
    peers = {side: s for side, s in standings.items() if side != METADX.name and s.right}
    if not peers or not ours.right:
        missing(id, words, "times as fast", ours.why or "no peer ran with the right gradient")
        return
    fastest = min(peers, key=lambda side: peers[side].seconds)
    what = f"{words}: metadx against {fastest}, the fastest peer (hoped for: {workload.hoped:g})"
    ratio(id, what, ours, peers[fastest], target=workload.least)
