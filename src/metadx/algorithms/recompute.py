"""Steps that are computed again when they are differentiated, so that nothing in between is kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.utils import _pytree as pytree

from metadx.learners import Tensors, last_derivative

Step = Callable[..., Tensors]


def recomputed(step: Step, *args: Any) -> Tensors:
    """What a step gives; of its graph only the arguments are kept.

    Args:
        step: a pure function of its arguments; a tensor that it knows otherwise gets no gradient.
        args: tensors, or dicts and tuples of them.

    References:
        Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
    """
    leaves, spec = pytree.tree_flatten(args)
    names: list[str] = []

    def flat(*leaves: Any) -> tuple[Tensor, ...]:
        out = step(*pytree.tree_unflatten(list(leaves), spec))
        names[:] = out
        return tuple(out.values())

    return dict(zip(names, _Recomputed.apply(flat, *leaves), strict=True))


class _Recomputed(Function):
    @staticmethod
    def forward(flat: Callable[..., tuple[Tensor, ...]], *leaves: Tensor) -> tuple[Tensor, ...]:
        return flat(*leaves)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        flat, *leaves = inputs
        ctx.flat = partial(copy_context().run, flat)  # backward may run in another thread
        ctx.save_for_backward(*leaves)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[1:]
        with torch.enable_grad():
            again = [
                leaf.detach().requires_grad_(want)
                for leaf, want in zip(ctx.saved_tensors, wanted, strict=True)
            ]
            out = ctx.flat(*again)
            known = [leaf for leaf, want in zip(again, wanted, strict=True) if want]
            found = torch.autograd.grad(out, known, above, allow_unused=True, materialize_grads=True)
        each = iter(last_derivative(found, (*above, *ctx.saved_tensors)))
        return None, *(next(each) if want else None for want in wanted)

    @staticmethod
    def vmap(info: Any, in_dims: Any, flat: Any, *leaves: Tensor) -> tuple[Any, Any]:
        out = _Recomputed.apply(torch.func.vmap(flat, in_dims=tuple(in_dims[1:])), *leaves)
        return out, (0,) * len(out)
