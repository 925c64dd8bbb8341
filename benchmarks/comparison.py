"""Alternating runs of several sides on one problem, and what they come to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from scipy.stats import binom

from contender import Contender, Failed, Side, contender
from environments import python_of
from metadx.evaluation import Interval
from workloads import OWN_SIZE, Size, write_problem

METADX = Side("metadx", "metadx_engine", None, threads=None)
TOGETHER = Side("torchopt-vmap", "torchopt_vmap", "torchopt")
PEERS = (
    Side("higher", "higher_loop", "higher"),
    Side("learn2learn", "learn2learn_loop", "learn2learn"),
    Side("torchopt", "torchopt_loop", "torchopt"),
    TOGETHER,
)
PLAIN = Side("plain", "plain", None)
ALIKE = 1e-8
_TURN = 0.4  # seconds that one side runs before the next has its turn


@dataclass
class Standing:
    """What one side came to.

    Args:
        turns: median seconds of a meta-step in each of its turns.
        about: release, threads, and how it ran.
        why: why there is no figure.
    """

    turns: list[float] = field(default_factory=list)
    about: str = ""
    why: str = ""

    @property
    def seconds(self) -> float:
        return median(self.turns)


def compare(sides: Sequence[Side], name: str, rounds: int, size: Size = OWN_SIZE) -> dict[str, Standing]:
    """Times a workload on every side, in turn, again and again."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        file = Path(folder) / "problem.npz"
        write_problem(file, name, size)
        standings = {side.name: Standing() for side in sides}
        at_work: dict[str, tuple[Contender, int]] = {}
        for side in sides:
            standing = standings[side.name]
            with _noting(standing):
                one = running.enter_context(contender(side, python_of(side.peer)))
                ready = one.prepare(file)
                once = min(one.ask("time", steps=2)["seconds"])
                at_work[side.name] = one, max(1, min(200, round(_TURN / once)))
                standing.about = f"{one.version}, {ready['threads']} threads" + (
                    f", {ready['about']}" if ready["about"] else ""
                )
        for _ in range(rounds):
            for side, (one, number) in at_work.items():
                with _noting(standings[side]):
                    standings[side].turns.append(median(one.ask("time", steps=number)["seconds"]))
        return standings


def peak(side: Side, name: str, size: Size = OWN_SIZE) -> float:
    """MiB that the first meta-step of a fresh process takes.

    Raises:
        Failed: the side cannot run.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        write_problem(file, name, size)
        with contender(side._replace(threads=side.threads or None), python_of(side.peer)) as one:
            one.prepare(file)
            return float(one.ask("peak")["mebibytes"])


def gradients(sides: Sequence[Side], name: str) -> Mapping[str, float]:
    """How far the float64 meta-gradient of each side is from that of the plain loop, as a share of its length.

    NaN for a side that cannot run.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        write_problem(file, name)
        truth = _gradient(PLAIN, file)
        off = dict.fromkeys((side.name for side in sides), float("nan"))
        for side in sides:
            with contextlib.suppress(Failed):
                off[side.name] = _distance(_gradient(side, file), truth)
        return off


def _gradient(side: Side, file: Path) -> list[np.ndarray]:
    out = file.with_name("gradient.npz")
    with contender(side._replace(threads=1), python_of(side.peer)) as one:
        one.prepare(file, "float64")
        one.ask("gradient", file=str(out))
    with np.load(out) as arrays:
        return [arrays[key] for key in arrays]


def _distance(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    a, b = (np.concatenate([part.ravel() for part in parts]) for parts in (found, truth))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@contextlib.contextmanager
def _noting(standing: Standing) -> Iterator[None]:
    """A side that fails is said to, and the others go on."""
    try:
        yield
    except Failed as error:
        standing.why, standing.turns = str(error), []


def median_interval(values: Sequence[float]) -> Interval:
    """The median with its 95 % interval by order statistics, which assumes nothing of the distribution.

    With fewer than six values the interval is their range, whose level is lower.
    """
    n, ordered = len(values), sorted(values)
    outside = max(0, int(binom.ppf(0.025, n, 0.5)) - 1)
    return Interval(median(ordered), ordered[outside], ordered[n - 1 - outside], n)
