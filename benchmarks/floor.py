"""What a meta-step costs at least: its arithmetic at the speed of this machine, and the memory it must touch."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from comparison import METADX, compare, started
from reporting import figure, missing
from sides.plain import side
from workloads import WORKLOADS, read_problem, write_problem


class Counter(TorchDispatchMode):
    """Floating-point operations of matrix products and convolutions, and the bytes they read and write.

    Everything else (norms, activations, pooling) could be fused into them, and so counts for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.bytes = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=out)
            touched = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in touched)
        return out


def measure(rounds: int) -> None:
    """Rows of the machine's speed, and for every workload of the floor and how far above it metadx runs."""
    speed, bandwidth = max(_products(), _convolutions()), _copies()
    figure("bench-floor-speed", "float32 products or convolutions, the faster", "GFLOP/s", speed / 1e9)
    figure("bench-floor-bandwidth", "copying 256 MiB: bytes read and written", "GB/s", bandwidth / 1e9)
    for name, workload in WORKLOADS.items():
        words = workload.words
        counter = _count(name)
        seconds = max(counter.operations / speed, counter.bytes / bandwidth)
        figure(f"bench-floor-{name}-operations", words, "GFLOP", counter.operations / 1e9, better="lower")
        figure(f"bench-floor-{name}-bytes", words, "GB", counter.bytes / 1e9, better="lower")
        figure(f"bench-floor-{name}-ms", f"{words}: the floor", "ms", 1000 * seconds, better="lower")
        with started([METADX]) as sides:
            found = compare(sides, name, rounds)[METADX.name]
        id, what = f"bench-floor-{name}-ratio", f"{words}: metadx above the floor"
        if found.turns:
            figure(id, what, "times the floor", found.seconds / seconds, n=rounds, better="lower")
        else:
            missing(id, what, "times the floor", found.why)


def _count(name: str) -> Counter:
    """What one meta-step of the plain loop computes and touches."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        write_problem(file, name)
        plain = side(read_problem(file, torch.float32))
    counter = Counter()
    with counter:
        plain.backward()
    return counter


def _products() -> float:
    size = 1024
    a, b = torch.rand(size, size), torch.rand(size, size)
    return 2 * size**3 / _best(lambda: a @ b)


def _convolutions() -> float:
    x, weight = torch.rand(100, 64, 14, 14), torch.rand(64, 64, 3, 3)
    return 2 * x.numel() * 64 * 9 / _best(lambda: F.conv2d(x, weight, padding=1))


def _copies() -> float:
    source, target = torch.rand(2, 1 << 26)
    return 2 * source.numel() * 4 / _best(lambda: target.copy_(source))


def _best(function: Callable[[], object], repeats: int = 20) -> float:
    """The shortest time of several."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return min(taken)
