"""Gradients by plain autograd are those of `torch.func.grad`, under `vmap` and out of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from metadx.algorithms.gradient import gradient, gradient_and_aux
from metadx.algorithms.recompute import recomputed
from metadx.learners import Tensors

X = torch.randn(4, 6, 3, dtype=torch.float64)
START = {"w": torch.randn(3, dtype=torch.float64), "b": torch.randn((), dtype=torch.float64)}


def loss(at: Tensors, x: Tensor) -> Tensor:
    return (x @ at["w"] + at["b"]).tanh().square().mean()


def adapted(differentiate: Callable[..., Tensors], start: Tensors, x: Tensor) -> Tensor:
    """The loss after two steps, the second of which also depends on the first through what it is given."""
    down = differentiate(lambda at: loss(at, x), start)
    fast = {name: value - 0.5 * down[name] for name, value in start.items()}
    derived = fast | {"b": fast["w"].sum()}
    down = differentiate(lambda at: loss(at, x), derived)
    return loss({name: value - 0.5 * down[name] for name, value in derived.items()}, x)


def torchs(objective: Callable[[Tensors], Tensor], at: Tensors) -> Tensors:
    return torch.func.grad(objective)(at)


def test_a_gradient_through_gradients_is_torchs() -> None:
    for x in X:
        expected = torch.func.grad(lambda at: adapted(torchs, at, x))(START)  # noqa: B023
        found = gradient(lambda at: adapted(gradient, at, x), START)  # noqa: B023
        assert all(torch.allclose(found[name], expected[name], atol=1e-12) for name in START)


def test_under_vmap_each_task_has_its_own() -> None:
    def one(x: Tensor) -> Tensors:
        return gradient(lambda at: adapted(gradient, at, x), START)

    together = torch.func.vmap(one)(X)
    for i, x in enumerate(X):
        assert all(torch.allclose(together[name][i], one(x)[name], atol=1e-12) for name in START)


def test_inside_of_torchs_gradient_it_is_differentiated_too() -> None:
    found = torch.func.grad(lambda at: adapted(gradient, at, X[0]))(START)
    expected = torch.func.grad(lambda at: adapted(torchs, at, X[0]))(START)
    assert all(torch.allclose(found[name], expected[name], atol=1e-12) for name in START)


@pytest.mark.parametrize("batched", [False, True])
def test_what_is_not_differentiable_is_a_constant(batched: bool) -> None:
    def first_order(objective: Callable[[Tensors], Tensor], at: Tensors) -> Tensors:
        return gradient(objective, at, differentiable=False)

    def found(x: Tensor) -> Tensors:
        return gradient(lambda at: adapted(first_order, at, x), START)

    def constant(objective: Callable[[Tensors], Tensor], at: Tensors) -> Tensors:
        return {name: g.detach() for name, g in torchs(objective, at).items()}

    expected = torch.func.grad(lambda at: adapted(constant, at, X[0]))(START)
    mine = {n: g[0] for n, g in torch.func.vmap(found)(X).items()} if batched else found(X[0])
    assert all(torch.allclose(mine[name], expected[name], atol=1e-12) for name in START)


def test_what_has_no_influence_has_a_gradient_of_zero_and_aux_comes_along() -> None:
    found, aux = gradient_and_aux(
        lambda at: (at["b"] * 2, {"twice": at["b"] * 2}), START, differentiable=False
    )
    assert not found["w"].any()
    assert found["b"] == 2
    assert aux["twice"] == START["b"] * 2
    assert not aux["twice"].requires_grad


@pytest.mark.parametrize("batched", [False, True])
def test_a_step_that_is_computed_again_is_the_same_step(batched: bool) -> None:
    def step(at: Tensors, x: Tensor) -> Tensors:
        down = gradient(lambda at: loss(at, x), at)
        return {name: value - 0.5 * down[name] for name, value in at.items()}

    def after(kept: bool) -> Callable[[Tensor], Tensors]:
        def one(x: Tensor) -> Tensors:
            return gradient(lambda at: loss(step(at, x) if kept else recomputed(step, at, x), x), START)

        return torch.func.vmap(one) if batched else one

    given = X if batched else X[0]
    again, kept = after(False)(given), after(True)(given)
    assert all(torch.allclose(again[name], kept[name], atol=1e-14) for name in START)
