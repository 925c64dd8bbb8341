"""Seconds per meta-step of every workload, on every side in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from comparison import ALIKE, METADX, PEERS, PLAIN, TOGETHER, Standing, compare, gradients, started
from contender import Side
from reporting import COMMAND, figure, missing, ratio, timed
from workloads import WORKLOADS


class How(NamedTuple):
    """How meta-steps are run.

    Args:
        device: of all sides.
        way: how metadx runs tasks; its own choice for None.
    """

    device: str = "cpu"
    way: str | None = None

    @property
    def ours(self) -> Side:
        """metadx, run so."""
        return METADX._replace(name=f"metadx-{self.way}", settings={"way": self.way}) if self.way else METADX

    @property
    def command(self) -> str:
        """What measures it."""
        words = [f"--device {self.device}"] if self.device != "cpu" else []
        words += [f"--way {self.way}"] if self.way else []
        return " ".join(["python benchmarks/bench.py speed", *words]) if words else COMMAND

    def id(self, what: str, name: str) -> str:
        """Of rows of a workload."""
        where = "bench" if self.device == "cpu" else "bench-gpu"
        return f"{where}-{what}-{name}" + (f"-{self.way}" if self.way and what == "ratio" else "")


def measure(names: Sequence[str], rounds: int, how: How) -> None:
    """A row for each side, and one against the fastest peer whose gradient is right.

    Where a way is named, peers are timed for comparison, and have no rows of their own.
    """
    for name in names:
        with started([how.ours, *PEERS, PLAIN]) as sides:
            off = gradients(sides, name, how.device)
            running = {side: one for side, one in sides.items() if side != PLAIN.name}
            standings = compare(running, name, rounds, device=how.device)
        for side, standing in standings.items():
            if not how.way or side == how.ours.name:
                _row(name, side, standing, off[side], how)
        _against(name, {side: s for side, s in standings.items() if s.turns and off[side] <= ALIKE}, how)


def _row(name: str, side: str, standing: Standing, off: float, how: How) -> None:
    """The rows of one side: its time, and how far off its gradient is."""
    words, id = f"{WORKLOADS[name].words}: {side}", f"{how.id('time', name)}-{side}"
    if not standing.turns:
        missing(id, words, "ms", standing.why, how.command)
        return
    wrong = "" if off <= ALIKE else f"; no peer here: its meta-gradient is {off:.1%} off"
    timed(id, words, standing.turns, standing.about + wrong, command=how.command)
    figure(
        f"{how.id('gradient', name)}-{side}",
        f"{words}, float64 meta-gradient against that of a loop by hand",
        "relative distance",
        off,
        better="lower",
        target=ALIKE if side == how.ours.name else None,
        command=how.command,
    )


def _against(name: str, right: Mapping[str, Standing], how: How) -> None:
    """The ratio to the fastest peer, and to the fastest that runs tasks one by one, among those who are right."""
    id, workload, ours = how.id("ratio", name), WORKLOADS[name], how.ours.name
    peers = {side: standing for side, standing in right.items() if side != ours}
    if not peers or ours not in right:
        why = "metadx or every peer failed, or its gradient is wrong"
        missing(id, workload.words, "times as fast", why, how.command)
        return
    asked = workload.least if how.device == "cpu" else workload.least_on_gpu
    hoped = f" (hoped for: {workload.hoped:g})" if how.device == "cpu" else ""
    fastest = min(peers, key=lambda side: peers[side].seconds)
    what = f"{workload.words}: {ours} against {fastest}, the fastest peer{hoped}"
    ratio(id, what, right[ours], peers[fastest], how.command, target=asked)
    loops = {side: standing for side, standing in peers.items() if side != TOGETHER.name}
    if loops:
        fastest = min(loops, key=lambda side: loops[side].seconds)
        what = (
            f"{workload.words}: {ours} against {fastest}, the fastest peer that runs one task after the other"
        )
        ratio(f"{id}-loop", what, right[ours], loops[fastest], how.command)
