"""A pure function of tensors that is written down once it has run often on arguments of the same layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from metadx.algorithms.captured import Captures, Run
from metadx.algorithms.lean import lean
from metadx.algorithms.tape import write_down
from metadx.errors import UserError

_LAYOUTS = 64  # that are told apart
_ROOM = 100_000  # operations, of all layouts
_EXACT: dict[torch.dtype, float] = {}
# of a tensor's length; convolutions of a GPU keep 11 bits of each number (TF32), not the same ones each time
_ROUNDED = {torch.float64: 1e-6, torch.float32: 1e-2}
_CANCELLED = 1e-2  # of the length of all tensors together


class Recorded:
    """Runs a function; or what it wrote down of it, once that gave the same on other arguments.

    Args:
        function: takes and returns tensors, or dicts and tuples of them; where it depends on anything else it must
            raise, as whatever is done with `Unknown` does.
        captures: makes one start on a GPU of what is written down.
        compiled: compile what is written down with `torch.compile`; it computes the same up to rounding then. On a
            GPU, where sums are taken in any order, it does so otherwise, too; on a CPU to the bit.
        often: runs on arguments of one layout before they are written down.
    """

    def __init__(
        self, function: Callable[..., Any], captures: Captures, *, compiled: bool = False, often: int
    ) -> None:
        self._make = partial(_OfLayout, function, captures, _Room(), compiled, often)
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
            known = self._known[layouts] = self._make()
        return known(plainly, args, leaves)

    @property
    def recorded(self) -> int:
        """For how many layouts what was written down runs now."""
        return sum(known.trusted for known in self._known.values())


@dataclass
class _Room:
    """How many operations more may be written down, each of which takes some kilobytes."""

    left: int = _ROOM

    def take(self, operations: int) -> bool:
        """Whether so many fit, which are then taken."""
        fits = operations <= self.left
        self.left -= operations if fits else 0
        return fits


class _OfLayout:
    """The function on arguments of one layout.

    Counts its runs, writes it down, compares that on the next arguments with the function, and trusts it then.
    """

    def __init__(
        self, function: Callable[..., Any], captures: Captures, room: _Room, compiled: bool, often: int
    ) -> None:
        self._function, self._captures, self._room = function, captures, room
        self._compiled, self._left = compiled, float(often)
        self._run: Run | None = None
        self._truths: list[bool] = []
        self._made_of: pytree.TreeSpec
        self.trusted = False

    def __call__(self, plainly: Callable[..., Any], args: tuple[Any, ...], leaves: Sequence[Tensor]) -> Any:
        if self.trusted and self._run is not None:
            found = self._found(leaves)
            return plainly(*args) if found is None else pytree.tree_unflatten(found, self._made_of)
        if self._left > 0:
            self._left -= 1
            return plainly(*args)
        if self._run is None:
            self._write_down(args)
            return plainly(*args)
        result = plainly(*args)
        found = self._found(leaves)
        if found is None:
            return result
        self.trusted = self._agree(pytree.tree_unflatten(found, self._made_of), result)
        if not self.trusted:
            self._give_up()
        return result

    @torch.no_grad()
    def _found(self, leaves: Sequence[Tensor]) -> Sequence[Tensor] | None:
        """What was written down gives; None for arguments that it does not hold for."""
        assert self._run is not None
        found = self._run(*leaves)
        results = len(found) - len(self._truths)
        held = all(bool(now) == then for now, then in zip(found[results:], self._truths, strict=True))
        return found[:results] if held else None

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
            return
        if not self._room.take(len(module.graph.nodes)):
            self._give_up()
        else:
            self._run = _compiled(module) if self._compiled else self._captures.captured(lean(module), leaves)
            self._truths = module.meta["truths"]

    def _agree(self, found: Any, expected: Any) -> bool:
        rounded = self._compiled or any(t.device.type != "cpu" for t in _tensors(expected))
        return _agree(found, expected, _ROUNDED if rounded else _EXACT)

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


def _agree(found: Any, expected: Any, most: Mapping[torch.dtype, float]) -> bool:
    """Whether results are the same up to rounding, part by part of a tuple.

    Rounding is as large where much cancels out: all but nothing may be left of the gradient of a bias in front of a
    norm, which is why a tensor is seen beside the others of its part.

    Args:
        most: the difference that counts as rounding, as a share of a tensor's length; nothing for other dtypes.
    """
    if isinstance(expected, tuple):
        return all(_agree(*pair, most) for pair in zip(found, expected, strict=True))
    pairs = [(one.cpu(), other.cpu()) for one, other in zip(_tensors(found), _tensors(expected), strict=True)]
    sizes = [_length(other) for _, other in pairs]
    least = _CANCELLED * math.hypot(*sizes)
    return all(
        _alike(*pair, most.get(pair[1].dtype, 0.0) * max(size, least))
        for pair, size in zip(pairs, sizes, strict=True)
    )


def _alike(one: Tensor, other: Tensor, most: float) -> bool:
    """Whether finite numbers are no further apart than that, all in all, and the others are the same."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if most == 0.0:
        return torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=True)
    finite = other.isfinite()
    same = torch.allclose(one[~finite], other[~finite], rtol=0.0, atol=0.0, equal_nan=True)
    return same and _length(one[finite].double() - other[finite].double()) <= most


def _length(tensor: Tensor) -> float:
    """Of the finite numbers of a tensor."""
    return float(tensor[tensor.isfinite()].double().norm())


def _tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors in dicts and tuples, in the order of pytree's leaves."""
    if isinstance(tree, Tensor):
        yield tree
    else:
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(part)
