"""Functions of tensors, written down and run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from metadx.algorithms.captured import Captures
from metadx.algorithms.lean import lean
from metadx.algorithms.recorded import _ROUNDED, Recorded, _agree, _Room
from metadx.algorithms.tape import Unknown, Unrecordable, write_down

ON_CPU = Captures(torch.device("cpu"))


def args(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 3, generator=generator), torch.randn(3, 5, generator=generator)]


def second_order(x: Tensor, weight: Tensor) -> list[Tensor]:
    with torch.enable_grad():
        weight = weight.detach().requires_grad_()
        loss = torch.relu(x @ weight).square().mean()
        (down,) = torch.autograd.grad(loss, weight, create_graph=True)
        again = (x @ (weight - 0.1 * down)).square().mean()
        return [again.detach(), *torch.autograd.grad(again, weight)]


def chained_views(x: Tensor, weight: Tensor) -> list[Tensor]:
    return [
        (x * 1).t().unsqueeze(0).expand(2, 3, 4).reshape(6, 4).sum(0),
        weight.unbind(1)[1][None] + x[:, :1],
    ]


def in_place(x: Tensor, weight: Tensor) -> list[Tensor]:
    out = torch.zeros_like(x)
    out[1:].add_(x[1:]).mul_(2)
    return [out, torch.zeros_like(x), out + x @ weight @ weight.t()]


def elements_of_other_kinds(x: Tensor, weight: Tensor) -> list[Tensor]:
    wave = torch.view_as_complex(x.view(2, 3, 2).contiguous())
    return [
        torch.view_as_real(wave[1:].conj().resolve_conj()) * weight[0, 0],
        wave.conj().imag + 1,
        x.view(torch.int32)[1] + 1,
        (x > 0) * 1,
    ]


@pytest.mark.parametrize("function", [second_order, chained_views, in_place, elements_of_other_kinds])
def test_what_is_written_down_gives_the_same_for_other_arguments(function: Any) -> None:
    written = write_down(function, args())
    short = lean(written)
    assert len(short.graph.nodes) <= len(written.graph.nodes)
    for module in (written, short):
        for one, other in zip(module(*args(1)), function(*args(1)), strict=True):
            assert torch.equal(one, other)


def test_views_of_views_and_what_changes_nothing_are_left_out() -> None:
    written = write_down(chained_views, args()).graph.nodes
    targets = [node.target for node in lean(write_down(chained_views, args())).graph.nodes]
    assert torch.ops.aten.mul.Tensor in [node.target for node in written]
    assert torch.mul not in targets
    assert targets.count("as_strided") < sum(node.meta.get("view", False) for node in written)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: [x[x > 0]],
        lambda x, w: [x * float(w.sum())],
        lambda x, w: [x + torch.rand_like(x)],
        lambda x, w: [sum((x * i for i in range(60)), x)],
    ],
    ids=["mask", "number", "random", "long"],
)
def test_what_depends_on_values_or_is_long_is_not_written_down(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadx.algorithms.tape._MOST", 100)
    with pytest.raises(Unrecordable):
        write_down(function, args())


@pytest.mark.parametrize(
    "use",
    [
        lambda it: it + 1,
        lambda it: 2 * it,
        lambda it: it < 3,
        lambda it: it == 3,
        bool,
        int,
        float,
        lambda it: range(it),
        lambda it: it.normal(),
        lambda it: {it: 1},
    ],
)
def test_nothing_can_be_done_with_what_is_unknown(use: Callable[[Any], Any]) -> None:
    with pytest.raises(Unrecordable):
        use(Unknown())


def runs(recorded: Recorded, function: Any, count: int = 6) -> list[bool]:
    """Whether each run of a few gives what the function gives."""
    same = []
    for seed in range(count):
        expected = function(*args(seed))
        found = recorded(function, *args(seed))
        same.append(all(map(torch.equal, found, expected)))
    return same


def test_it_takes_over_after_it_was_right_once() -> None:
    called = []

    def counted(*args: Tensor) -> list[Tensor]:
        called.append(1)
        return second_order(*args)

    recorded = Recorded(counted, ON_CPU, often=2)
    assert all(runs(recorded, counted))
    assert recorded.recorded == 1
    assert (
        len(called) == 6 + 2 + 1 + 1 + 1
    )  # ours; twice before, once written down and once beside, once compared


@pytest.mark.parametrize("by", [1, 1e-6])
def test_what_something_hidden_changes_is_not_trusted(by: float) -> None:
    hidden = iter(range(100))

    def changing(x: Tensor, weight: Tensor) -> list[Tensor]:
        return [x * (1 + by * next(hidden))]

    recorded = Recorded(changing, ON_CPU, often=0)
    for seed in range(5):
        recorded(changing, *args(seed))
    assert recorded.recorded == 0


@pytest.mark.parametrize("use", [torch.tensor, torch.arange, abs, lambda it: torch.ones(2)[it]])
def test_what_fails_where_something_is_unknown_runs_as_before(use: Callable[[Any], Any]) -> None:
    recorded = Recorded(lambda x, weight: [x * use(Unknown())], ON_CPU, often=0)
    assert all(map(torch.equal, recorded(second_order, *args()), second_order(*args())))
    assert recorded.recorded == 0


def test_one_tensor_given_twice_is_two_arguments() -> None:
    recorded = Recorded(lambda x, y: [x - y], ON_CPU, often=0)
    x, y = torch.ones(2), torch.zeros(2)
    for _ in range(3):
        recorded(lambda x, y: [x - y], x, x)
    assert recorded.recorded == 1
    assert torch.equal(recorded(lambda x, y: [x - y], x, y)[0], x)


def test_each_layout_is_written_down_by_itself() -> None:
    recorded = Recorded(second_order, ON_CPU, often=0)
    for seed in range(4):
        x, weight = args(seed)
        for given in ((x, weight), (x[:2], weight), (x.t().contiguous().t(), weight)):
            assert all(map(torch.equal, recorded(second_order, *given), second_order(*given)))
    assert recorded.recorded == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_it_gives_the_same_up_to_rounding() -> None:
    recorded = Recorded(second_order, ON_CPU, compiled=True, often=0)
    for seed in range(4):
        found, expected = recorded(second_order, *args(seed)), second_order(*args(seed))
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)
    assert recorded.recorded == 1


def by_sign(x: Tensor, weight: Tensor) -> list[Tensor]:
    return [x @ weight if bool((x > 0).all()) else x.square() @ weight]


def test_a_truth_that_was_asked_for_is_asked_for_again() -> None:
    plain: list[int] = []

    def plainly(x: Tensor, weight: Tensor) -> list[Tensor]:
        plain.append(1)
        return by_sign(x, weight)

    recorded = Recorded(by_sign, ON_CPU, often=0)
    for seed, sign in enumerate([1, 1, 1, -1, 1, -1]):
        x, weight = args(seed)
        x = x.abs() * sign
        assert torch.equal(recorded(plainly, x, weight)[0], by_sign(x, weight)[0])
    assert recorded.recorded == 1
    assert len(plain) == 4, "to write it down, to compare, and twice where it does not hold"


@pytest.mark.parametrize(
    ("found", "expected", "alike"),
    [
        ({"a": 1.0, "bias": 1e-9}, {"a": 1.0, "bias": -1e-9}, True),
        ({"a": 1.0, "bias": 0.1}, {"a": 1.0, "bias": 0.0}, False),
        (({"a": 1e-6}, {"loss": 1.0}), ({"a": 2e-6}, {"loss": 1.0}), False),
        ({"a": float("nan")}, {"a": float("nan")}, True),
        ({"a": float("inf")}, {"a": float("-inf")}, False),
        ({"a": 3}, {"a": 4}, False),
        ({"a": True}, {"a": True}, True),
    ],
    ids=["cancelled", "wrong", "another-part", "nan", "infinite", "whole", "truth"],
)
def test_results_agree_up_to_rounding(found: Any, expected: Any, alike: bool) -> None:
    one, other = (tree_map(lambda number: torch.tensor([number]), tree) for tree in (found, expected))
    assert _agree(one, other, _ROUNDED) == alike


def test_no_more_is_written_down_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = len(write_down(second_order, args()).graph.nodes)
    monkeypatch.setattr("metadx.algorithms.recorded._Room", lambda: _Room(operations + 1))
    recorded = Recorded(second_order, ON_CPU, often=0)
    for seed in range(4):
        x, weight = args(seed)
        for given in (x, x[:2]):
            assert all(map(torch.equal, recorded(second_order, given, weight), second_order(given, weight)))
    assert recorded.recorded == 1
