"""Gradients by plain autograd, under `vmap` too.

`vmap` of a gradient sends every operation of every derivative through its interpreter. Tasks are independent, so
the gradient of the sum of their losses holds the gradient of each: it is enough to batch the loss, and to
differentiate outside of `vmap`. That is faster, and layers with derivatives of their own meet `vmap` in the forward
pass alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch
from torch._functorch.pyfunctorch import VmapInterpreter, retrieve_current_functorch_interpreter
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from metadx.errors import UserError
from metadx.learners import Tensors

Objective = Callable[[Tensors], Tensor]
WithAux = Callable[[Tensors], tuple[Tensor, Any]]


def gradient(objective: Objective, wrt: Tensors, *, differentiable: bool = True) -> Tensors:
    """The gradient of a function, as `torch.func.grad` gives it.

    Args:
        objective: gives a scalar.
        wrt: what to differentiate by.
        differentiable: whether something may be differentiated around it, to which it is a constant otherwise.
    """
    return gradient_and_aux(lambda values: (objective(values), ()), wrt, differentiable=differentiable)[0]


def gradient_and_aux(objective: WithAux, wrt: Tensors, *, differentiable: bool = True) -> tuple[Tensors, Any]:
    """The gradient of the first thing that a function gives, and the others, which are tensors.

    Args:
        objective, wrt, differentiable: as in `gradient`.
    """
    if _functorch.peek_interpreter_stack() is None:
        return _plain(objective, wrt, differentiable)
    interpreter = retrieve_current_functorch_interpreter()
    if isinstance(interpreter, VmapInterpreter):
        return _outside(interpreter, objective, wrt, differentiable)
    found, aux = torch.func.grad(objective, has_aux=True)(wrt)
    return (found if differentiable else {name: g.detach() for name, g in found.items()}), aux


def _plain(objective: WithAux, wrt: Tensors, differentiable: bool) -> tuple[Tensors, Any]:
    keep = torch.is_grad_enabled() and differentiable
    once = sdpa_kernel(SDPBackend.MATH) if keep else nullcontext()  # the others have no second derivative
    with torch.enable_grad(), once, _named():
        leaves = {  # views, so that none is a function of another
            name: value.view_as(value) if keep and value.requires_grad else value.detach().requires_grad_()
            for name, value in wrt.items()
        }
        loss, aux = objective(leaves)
        found = torch.autograd.grad(
            loss, list(leaves.values()), create_graph=keep, materialize_grads=True, allow_unused=True
        )
    return dict(zip(leaves, found, strict=True)), aux if keep else _detached(aux)


@contextmanager
def _named() -> Iterator[None]:
    """Says of an operation without a second derivative what to do about it."""
    try:
        yield
    except RuntimeError as error:
        found = re.search(r"derivative for (\S+) is not implemented", str(error))
        if found is None:
            raise
        raise UserError(
            f"the network does {found[1]}, which PyTorch cannot differentiate twice: replace that layer, or choose "
            "an algorithm without second derivatives (maml with first_order: true, reptile, protonet)"
        ) from error


def _outside(
    interpreter: VmapInterpreter, objective: WithAux, wrt: Tensors, differentiable: bool
) -> tuple[Tensors, Any]:
    """The gradient for all tasks at once, one level further out.

    Whatever else of the tasks the objective knows is a batched tensor of this level; the `vmap` inside is of the
    same level again, so it finds the tasks in there.
    """
    level, tasks = interpreter.level(), interpreter.batch_size()
    own = {name: _unwrapped(value, level, tasks) for name, value in wrt.items()}

    def together(values: Tensors) -> tuple[Tensor, Any]:
        loss, aux = torch.func.vmap(objective)(values)
        return loss.sum(), aux

    with interpreter.lower():
        found, aux = gradient_and_aux(together, own, differentiable=differentiable)
    batched: tuple[Tensors, Any] = pytree.tree_map(
        lambda t: _functorch._add_batch_dim(t, 0, level), (found, aux)
    )
    return batched


def _unwrapped(value: Tensor, level: int, tasks: int) -> Tensor:
    """The values of all tasks, the tasks first; a view that repeats one value where they share it."""
    if _functorch.is_batchedtensor(value) and _functorch.maybe_get_level(value) == level:
        return _functorch.get_unwrapped(value).movedim(_functorch.maybe_get_bdim(value), 0)
    return value.expand(tasks, *value.shape)


def _detached(aux: Any) -> Any:
    return pytree.tree_map(lambda t: t.detach(), aux)
