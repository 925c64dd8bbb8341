"""A pure function of tensors that is written down once it has run often on arguments of the same layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from metadx.algorithms.lean import lean
from metadx.algorithms.replayed import Graphs, Run
from metadx.algorithms.tape import write_down
from metadx.errors import UserError

_LAYOUTS = 64  # that are told apart
_ROUNDING = 1e-2  # of a tensor's length: convolutions of a GPU keep 11 bits of each number (TF32)
_CANCELLED = 1e-2  # of the length of all tensors together


class Recorded:
    """Runs a function; or what it wrote down of it, once that gave the same on other arguments.

    Args:
        function: takes and returns tensors, or dicts and tuples of them; where it depends on anything else it must
            raise, as whatever is done with `Unknown` does.
        compiled: compile what is written down with `torch.compile`; it computes the same up to rounding then. On a
            GPU, where sums are taken in any order, it does so otherwise, too; on a CPU to the bit.
        often: runs on arguments of one layout before they are written down.
    """

    def __init__(self, function: Callable[..., Any], *, compiled: bool = False, often: int) -> None:
        self._function, self._compiled, self._often = function, compiled, often
        self._graphs = Graphs()
        self._known: dict[Any, _OfLayout] = {}

    def __call__(self, plainly: Callable[..., Any], *args: Any) -> Any:
        """The result for some arguments.

        Args:
            plainly: the same function, which may depend on more; runs until then.
        """
        leaves = list(_tensors(args))
        layouts = tuple([(t.shape, t.stride(), t.dtype, t.device) for t in leaves])
        known = self._known.get(layouts)
        if known is None:
            if len(self._known) == _LAYOUTS:
                return plainly(*args)
            known = self._known[layouts] = _OfLayout(
                self._function, self._compiled, self._often, self._graphs
            )
        return known(plainly, args, leaves)

    @property
    def recorded(self) -> int:
        """For how many layouts what was written down runs now."""
        return sum(known.trusted for known in self._known.values())


class _OfLayout:
    """The function on arguments of one layout.

    Counts its runs, writes it down, compares that on the next arguments with the function, and trusts it then.
    """

    def __init__(self, function: Callable[..., Any], compiled: bool, often: int, graphs: Graphs) -> None:
        self._function, self._compiled, self._left = function, compiled, float(often)
        self._graphs = graphs
        self._run: Run | None = None
        self._made_of: pytree.TreeSpec
        self.trusted = False

    def __call__(self, plainly: Callable[..., Any], args: tuple[Any, ...], leaves: Sequence[Tensor]) -> Any:
        if self.trusted and self._run is not None:
            with torch.no_grad():
                return pytree.tree_unflatten(self._run(*leaves), self._made_of)
        if self._left > 0:
            self._left -= 1
            return plainly(*args)
        if self._run is None:
            self._write_down(args)
            return plainly(*args)
        result = plainly(*args)
        with torch.no_grad():
            self.trusted = self._agree(self._run(*leaves), pytree.tree_leaves(result))
            if self.trusted:
                self._run = self._graphs.replayed(self._run, leaves)
        if not self.trusted:
            self._give_up()
        return result

    def _write_down(self, args: tuple[Any, ...]) -> None:
        leaves, given = pytree.tree_flatten(args)

        def flat(*leaves: Tensor) -> list[Tensor]:
            results, self._made_of = pytree.tree_flatten(
                self._function(*pytree.tree_unflatten(leaves, given))
            )
            return results

        try:
            module = write_down(flat, leaves)
        except Exception:  # of any kind: torch raises its own where it is given what is unknown
            self._give_up()
        else:
            self._run = _compiled(module) if self._compiled else lean(module).forward

    def _agree(self, found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
        pairs = list(zip(found, expected, strict=True))
        if any(one.shape != other.shape or one.dtype != other.dtype for one, other in pairs):
            return False
        if self._compiled or any(tensor.device.type != "cpu" for tensor in expected):
            return _close(pairs)
        return all(torch.allclose(*pair, rtol=0.0, atol=0.0, equal_nan=True) for pair in pairs)

    def _give_up(self) -> None:
        self._left, self._run = math.inf, None


def _compiled(module: fx.GraphModule) -> Run:
    compiled: Run = torch.compile(module, dynamic=False, fullgraph=True)

    def run(*leaves: Tensor) -> Sequence[Tensor]:
        try:
            return compiled(*leaves)
        except torch._dynamo.exc.BackendCompilerFailed as error:
            raise UserError(
                "torch.compile does not work here, for want of a C++ compiler perhaps; set training.engine to "
                f"recorded, or to auto: {str(error).splitlines()[0]}"
            ) from error

    return run


def _close(pairs: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether tensors are the same up to rounding, which is as large where much cancels out: all but nothing may be
    left of the gradient of a bias in front of a norm."""
    sizes = [other.double().nan_to_num(0, 0, 0).norm().item() for _, other in pairs]
    least = _CANCELLED * math.hypot(*sizes)
    return all(
        torch.equal(one.isfinite(), other.isfinite())
        and (one - other).double().nan_to_num(0, 0, 0).norm().item() <= _ROUNDING * max(size, least)
        for (one, other), size in zip(pairs, sizes, strict=True)
    )


def _tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors in dicts and tuples, in the order of pytree's leaves."""
    if isinstance(tree, Tensor):
        yield tree
    else:
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(part)
