"""The benchmarks compare like with like: every side computes the same meta-gradient, and one that fails says so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from comparison import ALIKE, PEERS, PLAIN, compare, gradients, median_interval, started  # noqa: E402
from contender import Failed, Side, contender  # noqa: E402
from drawing import SHAPE, TOGETHER, write_pictures  # noqa: E402
from environments import installed, python_of  # noqa: E402
from sides import metadx_engine, metadx_sampling, plain  # noqa: E402
from workloads import WORKLOADS, Size, read_problem, write_problem  # noqa: E402

LIGHT = ("a", "c1", "c5", "e")
FUSED = ("a", "b")


def gradient(module: Any, file: Path) -> torch.Tensor:
    """The meta-gradient of a side in this process, in one row."""
    side = module.side(read_problem(file, torch.float64))
    side.backward()
    return torch.cat([parameter.grad.flatten() for parameter in side.parameters])


@pytest.mark.parametrize("name", WORKLOADS)
def test_metadx_computes_what_a_loop_by_hand_does(name: str, tmp_path: Path) -> None:
    few = {"b": 1}.get(name, 2)
    write_problem(tmp_path / "p.npz", name, Size(tasks=few, steps=1 if name in "bd" else None))
    truth = gradient(plain, tmp_path / "p.npz")
    found = gradient(metadx_engine, tmp_path / "p.npz")
    assert (found - truth).norm() <= 1e-10 * truth.norm()


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("peer", PEERS, ids=lambda side: side.name)
def test_peers_compute_what_a_loop_by_hand_does(name: str, peer: Side) -> None:
    if peer.peer is None or not installed(peer.peer):
        pytest.skip(f"{peer.peer} is not installed; `make bench` installs it")
    with started([peer, PLAIN]) as sides:
        off = gradients(sides, name)[peer.name]
    if peer.name == "torchopt-vmap" and name in FUSED:
        assert off > 1e-4, "vmap over fused batch norm is right now: it may be compared"
    else:
        assert off <= ALIKE


def test_a_side_that_cannot_run_says_why() -> None:
    broken = Side("broken", "no_such_side", None)
    with pytest.raises(Failed, match="no_such_side"), contender(broken, Path(sys.executable)):
        pass


@pytest.mark.slow
def test_where_a_side_cannot_run_the_others_go_on() -> None:
    sides = (Side("broken", "no_such_side", None), Side("by hand", "plain", None, threads=1))
    with started(sides) as at_work:
        standings = compare(at_work, "c1", 1)
    assert "no_such_side" in standings["broken"].why
    assert not standings["broken"].turns
    assert standings["by hand"].turns


def test_the_median_of_few_values_has_their_range_for_an_interval() -> None:
    assert median_interval([3.0, 1.0, 2.0, 6.0, 4.0, 5.0]) == (3.5, 1.0, 6.0, 6)
    assert median_interval(list(np.arange(1.0, 21.0))) == (10.5, 6.0, 15.0, 20)


def test_episodes_hold_what_was_asked_for(tmp_path: Path) -> None:
    ways, shots, query = SHAPE
    write_pictures(tmp_path / "pictures.npz", classes=12)
    draw = metadx_sampling.drawing(tmp_path / "pictures.npz")
    assert draw(2 * TOGETHER) == 2 * TOGETHER * ways * (shots + query)


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["learn2learn", "easyfsl"])
def test_peers_draw_as_many_cases(peer: str, tmp_path: Path) -> None:
    if not installed(peer):
        pytest.skip(f"{peer} is not installed; `make bench` installs it")
    ways, shots, query = SHAPE
    write_pictures(tmp_path / "pictures.npz", classes=12)
    with contender(Side(peer, f"{peer}_sampling", peer), python_of(peer)) as one:
        one.ask("fill", file=str(tmp_path / "pictures.npz"))
        assert one.ask("draw", number=3)["cases"] == 3 * ways * (shots + query)
