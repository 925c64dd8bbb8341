"""What was written down, started on a GPU all at once (a CUDA graph).

A GPU runs each of the small operations of a meta-step in less time than the processor takes to start it; a graph
starts all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

Run = Callable[..., Sequence[Tensor]]

_WARM = 3  # runs in which libraries choose their algorithms and take their memory
_MOST = 32  # captures, each of which keeps memory for what it is given and gives
_WAITING = torch.ops.aten._linalg_check_errors.default  # looks on the CPU whether an equation was solved


class Captures:
    """Captured runs of one owner on one GPU, which share their memory: one runs after the other, and what they give
    is copied.

    Args:
        device: where all tensors are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._left = _MOST if device.type == "cuda" else 0
        self._first: _Captured | None = None
        self._stream: Any = None

    def captured(self, module: fx.GraphModule, example: Sequence[Tensor]) -> Run:
        """The same function, captured; or itself, where it is on no GPU, waits for one, or there are many already.

        Args:
            module: takes and gives tensors; runs the same operations on all arguments that lie as the example does.
            example: such arguments.
        """
        waits = any(node.target is _WAITING for node in module.graph.nodes)
        elsewhere = any(tensor.device != self._device or _overlaps(tensor) for tensor in example)
        if self._left == 0 or waits or elsewhere:
            return module.forward
        self._left -= 1
        with torch.cuda.device(self._device), torch.no_grad():
            self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]
            here = torch.cuda.current_stream()
            try:
                made = _Captured(module.forward, example, self._stream, self._first and self._first.pool)
            except RuntimeError:  # it waits after all, or there is no memory for a copy of everything
                self._left = 0
                torch.cuda.set_stream(here)  # torch stays in the other one where a capture fails
                return module.forward
        self._first = self._first or made
        return made


class _Captured:
    """One captured run, from tensors and into tensors that stay where they are.

    Args:
        run: is kept, for constants are its own.
        example: arguments.
        stream: to capture in, on the device of the example.
        pool: memory of an earlier capture; None for some of its own.
    """

    def __init__(self, run: Run, example: Sequence[Tensor], stream: torch.cuda.Stream, pool: Any) -> None:
        self._run = run
        self._given = [
            torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device) for t in example
        ]
        torch._foreach_copy_(self._given, list(example))
        here = torch.cuda.current_stream()
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            for _ in range(_WARM):
                run(*self._given)
        here.wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # Threads that draw batches ahead go on with what they do on this device meanwhile.
        with torch.cuda.graph(self._graph, pool, stream, "thread_local"):
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
