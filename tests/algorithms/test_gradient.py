"""Gradients by plain autograd are those of `torch.func.grad`, under `vmap` and out of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from metadx.algorithms.gradient import gradient, gradient_and_aux
from metadx.algorithms.recompute import recomputed
from metadx.errors import UserError
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
        expected = torch.func.grad(partial(adapted, torchs, x=x))(START)
        found = gradient(partial(adapted, gradient, x=x), START)
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


def test_attention_is_differentiated_twice() -> None:
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(4, 2, batch_first=True).double()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    params = {name: p.detach() for name, p in layer.named_parameters()}

    def energy(at: Tensors) -> Tensor:
        return torch.func.functional_call(layer, at, (x, x, x), {"need_weights": False})[0].square().mean()

    def bent(at: Tensors) -> Tensor:
        return torch.stack([g.square().sum() for g in gradient(energy, at).values()]).sum()

    found = gradient(bent, params)
    probe = {name: torch.randn_like(p) for name, p in params.items()}
    ahead, behind = (bent({n: p + h * probe[n] for n, p in params.items()}).item() for h in (1e-6, -1e-6))
    slope = sum((found[name] * probe[name]).sum().item() for name in params)
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_what_cannot_be_differentiated_twice_is_named() -> None:
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64)

    def attended(at: Tensors) -> Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return torch.nn.functional.scaled_dot_product_attention(at["x"], at["x"], at["x"]).sum()

    def bent(at: Tensors) -> Tensor:
        return gradient(attended, at)["x"].square().sum()

    with pytest.raises(UserError, match=r"flash_attention.* cannot differentiate twice: replace that layer"):
        gradient(bent, {"x": x})
