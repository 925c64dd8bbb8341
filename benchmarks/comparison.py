"""Alternating runs of several sides on one problem, and what they come to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

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
AtWork = Mapping[str, Contender | Failed]
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


@contextlib.contextmanager
def started(sides: Sequence[Side]) -> Iterator[AtWork]:
    """The sides at work, or why one is not, each in a process of its own that ends with the block."""
    with contextlib.ExitStack() as running, ThreadPoolExecutor() as pool:
        pythons = {side.name: _failing(python_of, side.peer) for side in sides}

        def start(side: Side) -> Contender | Failed:
            python = pythons[side.name]
            if isinstance(python, Failed):
                return python
            return _failing(running.enter_context, contender(side, python))

        yield dict(zip([side.name for side in sides], pool.map(start, sides), strict=True))


def _failing(function: Callable[..., Any], *args: Any) -> Any:
    """What a function gives, or why it fails."""
    try:
        return function(*args)
    except Failed as error:
        return error


def compare(
    sides: AtWork, name: str, rounds: int, size: Size = OWN_SIZE, device: str = "cpu"
) -> dict[str, Standing]:
    """Times a workload on every side, in turn, again and again."""
    standings = {side: Standing() for side in sides}
    numbers: dict[str, int] = {}
    with _problem(name, size) as file:
        for side, one in sides.items():
            with _noting(standings[side]):
                numbers[side] = _begin(_at_work(one), file, device, standings[side])
        for _ in range(rounds):
            for side, number in numbers.items():
                with _noting(standings[side]):
                    seconds = _at_work(sides[side]).ask("time", steps=number)["seconds"]
                    standings[side].turns.append(median(seconds))
    return {side: _whole(standing) for side, standing in standings.items()}


def _begin(one: Contender, file: Path, device: str, standing: Standing) -> int:
    """Gives a side its problem; says how many meta-steps make a turn."""
    ready = one.prepare(file, device, threads=one.side.threads if device == "cpu" else None)
    once = min(one.ask("time", steps=2)["seconds"])
    threads = f"{ready['threads']} threads" if device == "cpu" else ""
    standing.about = ", ".join(filter(None, (one.version, threads, ready["about"])))
    return max(1, min(200, round(_TURN / once)))


def _whole(standing: Standing) -> Standing:
    """A standing without the turns of a side that failed in one of them."""
    return replace(standing, turns=[]) if standing.why else standing


def _at_work(one: Contender | Failed) -> Contender:
    if isinstance(one, Failed):
        raise one
    return one


@contextlib.contextmanager
def _problem(name: str, size: Size = OWN_SIZE) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        write_problem(file, name, size)
        yield file


def peak(side: Side, name: str, size: Size = OWN_SIZE) -> float:
    """MiB that the first meta-step of a fresh process takes; metadx has written nothing down by then.

    Raises:
        Failed: the side cannot run.
    """
    if side.module == METADX.module:
        side = side._replace(settings={**(side.settings or {}), "first": True})
    with _problem(name, size) as file, contender(side, python_of(side.peer)) as one:
        one.prepare(file, threads=side.threads or None)
        return float(one.ask("peak")["mebibytes"])


def gradients(sides: AtWork, name: str, device: str = "cpu") -> Mapping[str, float]:
    """How far the float64 meta-gradient of each side is from that of a loop by hand, as a share of its length.

    NaN for a side that cannot run.

    Args:
        sides: `PLAIN` among them, which is the loop by hand.
    """
    off = dict.fromkeys((side for side in sides if side != PLAIN.name), float("nan"))
    with _problem(name) as file, contextlib.suppress(Failed):
        truth = _gradient(sides[PLAIN.name], file, device)
        for side in off:
            with contextlib.suppress(Failed):
                off[side] = _distance(_gradient(sides[side], file, device), truth)
    return off


def _gradient(side: Contender | Failed, file: Path, device: str) -> list[np.ndarray]:
    one, out = _at_work(side), file.with_name("gradient.npz")
    one.prepare(file, device, "float64", threads=1)
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
        standing.why = str(error)


def median_interval(values: Sequence[float]) -> Interval:
    """The median with its 95 % interval by order statistics, which assumes nothing of the distribution.

    With fewer than six values the interval is their range, whose level is lower.
    """
    n, ordered = len(values), sorted(values)
    outside = max(0, int(binom.ppf(0.025, n, 0.5)) - 1)
    return Interval(median(ordered), ordered[outside], ordered[n - 1 - outside], n)
