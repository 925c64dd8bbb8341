"""What was written down, launched on a GPU all at once (a CUDA graph).

A GPU runs each of the small operations of a meta-step in less time than the processor takes to start it; a graph
starts all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Run = Callable[..., Sequence[Tensor]]

_WARM = 3  # runs in which libraries choose their algorithms and take their memory


class Graphs:
    """Graphs that share their memory: one runs after the other, and what they give is copied."""

    def __init__(self) -> None:
        self._first: _Replayed | None = None

    def replayed(self, run: Run, example: Sequence[Tensor]) -> Run:
        """The same function, replayed where it runs on one GPU and can be captured; itself elsewhere.

        Args:
            run: takes and gives tensors; runs the same operations on all arguments that lie as the example does.
            example: such arguments.
        """
        devices = {tensor.device for tensor in example}
        if len(devices) != 1 or next(iter(devices)).type != "cuda" or any(map(_overlaps, example)):
            return run
        try:
            made = _Replayed(run, example, None if self._first is None else self._first.pool)
        except RuntimeError:  # it waits for the GPU, or there is no memory for a copy of everything
            return run
        self._first = self._first or made
        return made


class _Replayed:
    """One captured run, from tensors and into tensors that stay where they are."""

    def __init__(self, run: Run, example: Sequence[Tensor], pool: Any) -> None:
        device = example[0].device
        self._given = [
            torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=device) for t in example
        ]
        torch._foreach_copy_(self._given, list(example))
        aside: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        here = torch.cuda.current_stream(device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(_WARM):
                run(*self._given)
        here.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Threads that draw batches ahead go on with what they do on this device meanwhile.
        with torch.cuda.graph(self._graph, pool, capture_error_mode="thread_local"):
            self._found = list(run(*self._given))

    @property
    def pool(self) -> Any:
        """Where its memory is."""
        return self._graph.pool()

    def __call__(self, *leaves: Tensor) -> list[Tensor]:
        torch._foreach_copy_(self._given, leaves)
        self._graph.replay()
        return [tensor.clone() for tensor in self._found]


def _overlaps(tensor: Tensor) -> bool:
    """Whether it has elements in one place, as an expanded one does."""
    return any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
