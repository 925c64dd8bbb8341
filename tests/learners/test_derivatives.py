"""Layers with derivatives of their own give torch's, once and twice; a third time is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from metadx.learners.convolve import convolve
from metadx.learners.normalise import normalise, normalise_groups

CONVOLUTIONS = [
    (F.conv1d, (3, 4, 9), (5, 4, 3), (2,), (1,)),
    (F.conv2d, (3, 1, 5, 6), (2, 1, 3, 3), (1, 1), (1, 1)),
    (F.conv2d, (3, 6, 5, 4), (2, 6, 3, 3), (2, 1), (0, 1)),
    (F.conv3d, (2, 3, 4, 3, 4), (2, 3, 3, 3, 3), (2, 2, 2), (1, 1, 1)),
]


def double(*shape: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.requires_grad_()


LAID_OUT = [(torch.contiguous_format, *row) for row in CONVOLUTIONS]
LAID_OUT += [(torch.channels_last, *row) for row in CONVOLUTIONS if row[0] is F.conv2d]


@pytest.mark.parametrize(("layout", "torchs", "of", "kernel", "stride", "padding"), LAID_OUT)
def test_convolution(
    layout: Any, torchs: Any, of: tuple[int, ...], kernel: tuple[int, ...], stride: Any, padding: Any
) -> None:
    x, weight, bias = double(*of), double(*kernel, seed=1), double(kernel[0], seed=2)

    def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return convolve(x.contiguous(memory_format=layout), weight, bias, stride, padding)

    assert torch.allclose(ours(x, weight, bias), torchs(x, weight, bias, stride, padding))
    assert gradcheck(ours, (x, weight, bias))
    assert gradgradcheck(ours, (x, weight, bias), fast_mode=True)
    given = x.detach()  # as support cases are
    assert gradgradcheck(lambda weight, bias: ours(given, weight, bias), (weight, bias), fast_mode=True)


@pytest.mark.parametrize(("torchs", "of", "kernel", "stride", "padding"), CONVOLUTIONS)
@pytest.mark.parametrize("how", ["loop", "groups", "columns"])
def test_convolution_of_tasks_with_weights_of_their_own(
    torchs: Any,
    of: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: Any,
    padding: Any,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("metadx.learners.convolve._LOOPING", {"cpu"} if how == "loop" else set())
    monkeypatch.setattr("metadx.learners.columns.pays", lambda *_: how == "columns")
    x, weight = double(3, *of), double(3, *kernel, seed=1)

    def ours(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.vmap(lambda x, w: convolve(x, w, None, stride, padding))(x, weight)

    each = [torchs(*pair, None, stride, padding) for pair in zip(x, weight, strict=True)]
    assert torch.allclose(ours(x, weight), torch.stack(each))
    assert gradgradcheck(ours, (x, weight), fast_mode=True)


@pytest.mark.parametrize("sides", [(), (3,), (2, 3)])
@pytest.mark.parametrize("mask", [None, [1, 1, 1, 1], [1, 0, 1, 1]], ids=["all", "each", "some"])
def test_normalisation(sides: tuple[int, ...], mask: list[int] | None) -> None:
    x, weight, bias = double(4, 2, *sides), double(2, seed=1), double(2, seed=2)
    rows = None if mask is None else torch.tensor(mask, dtype=torch.float64)
    counted = x.detach() if mask is None else x.detach()[rows.bool()]
    over = (0, *range(2, x.dim()))
    out, mean, variance = normalise(x, weight, bias, rows, 1e-5)
    assert torch.allclose(mean, counted.mean(over))
    assert torch.allclose(variance, counted.var(over, correction=0))
    assert torch.allclose(
        out, F.batch_norm(x, mean.clone(), variance.clone(), weight, bias, training=False, eps=1e-5)
    )

    def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return normalise(x, weight, bias, rows, 1e-5)[0]

    assert gradcheck(ours, (x, weight, bias))
    assert gradgradcheck(ours, (x, weight, bias), fast_mode=True)


@pytest.mark.parametrize("sides", [(), (3,), (2, 2)])
def test_normalisation_of_groups(sides: tuple[int, ...]) -> None:
    x = double(3, 4, *sides)
    assert torch.allclose(normalise_groups(x, 2, 1e-5), F.group_norm(x, 2, eps=1e-5))
    assert gradgradcheck(lambda x: normalise_groups(x, 2, 1e-5), (x,))


def test_a_batch_without_a_case_stays_empty() -> None:
    one = torch.ones(3)
    assert normalise(torch.zeros(0, 3, 4, 4), one, one, None, 1e-5)[0].shape == (0, 3, 4, 4)
    assert normalise(torch.zeros(0, 3, 4, 4), one, one, torch.zeros(0), 1e-5)[0].shape == (0, 3, 4, 4)
    assert normalise_groups(torch.zeros(0, 4, 4, 4), 2, 1e-5).shape == (0, 4, 4, 4)


def test_a_third_derivative_is_refused() -> None:
    x, weight, bias = double(4, 2), double(2, seed=1), double(2, seed=2)
    value = normalise(x, weight, bias, None, 1e-5)[0].pow(3).sum()
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once more than metadx can"):
        torch.autograd.grad(second.sum(), x)
