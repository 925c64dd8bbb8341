"""Any module as a pure function: the module is never touched, and threads do not meet."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from metadx.algorithms import MAML, Engine
from metadx.learners import BatchNorm, Functional, Reference, Tensors, replace_layers
from metadx.tasks import Task, make_examples, stack


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2)
    ).double()


def test_calling_it_changes_nothing_and_drops_nothing_out() -> None:
    module = net().train()
    before = copy.deepcopy(module.state_dict())
    functional = Functional(module)
    params, state = functional.init()
    x = torch.randn(6, 3).double()
    first = functional(params | state, x)
    moved = functional({name: 2 * t for name, t in (params | state).items()}, x)

    assert torch.equal(functional(params | state, x), first)
    assert not torch.allclose(first, moved)
    assert module.training
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())


def test_parameters_are_copies() -> None:
    module = net()
    params, _ = Functional(module).init()
    for t in params.values():
        t.zero_()
    assert all(p.any() for name, p in module.named_parameters() if name.endswith("weight"))


def test_threads_with_parameters_of_their_own_do_not_meet() -> None:
    functional = Functional(net())
    params, state = functional.init()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(200, 3, generator=generator).double()
    mine = [
        {name: t + torch.randn(t.shape, generator=generator).double() for name, t in params.items()}
        for _ in range(8)
    ]

    def run(own: Tensors) -> Tensor:
        return torch.stack([functional(own | state, x, torch.ones(len(x))) for _ in range(40)])

    expected = [run(own) for own in mine]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, mine))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_rows_given_a_reference_do_not_meet() -> None:
    functional = Functional(net())
    tensors = {name: t for part in functional.init() for name, t in part.items()}
    reference = Reference(torch.randn(4, 3).double(), torch.ones(4).double())
    x = torch.randn(5, 3).double()
    together = functional.given(tensors, reference, x)
    alone = torch.cat([functional.given(tensors, reference, row[None]) for row in x])

    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        functional.given(tensors, reference, reference.x),
        functional(tensors, reference.x),
        rtol=1e-12,
        atol=1e-12,
    )


def test_it_survives_pickling_and_copying() -> None:
    functional = Functional(net())
    tensors = {name: t for part in functional.init() for name, t in part.items()}
    x = torch.randn(4, 3).double()
    for twin in (pickle.loads(pickle.dumps(functional)), copy.deepcopy(functional)):  # noqa: S301
        assert torch.equal(twin(tensors, x), functional(tensors, x))


def test_by_the_statistics_of_a_batch_it_is_what_it_is_on_that_batch() -> None:
    shared = nn.BatchNorm1d(5)
    module = nn.Sequential(
        nn.Linear(3, 5), shared, nn.Linear(5, 5), shared, nn.Tanh(), nn.BatchNorm1d(5, affine=False)
    )
    functional = Functional(module.double())
    tensors = {name: t for part in functional.init() for name, t in part.items()}
    x, mask = torch.randn(6, 3).double(), torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 0.0]).double()
    statistics = functional.statistics(tensors, x, mask)
    taking = functional.taking_statistics()

    assert set(statistics) == {f"{at}.{what}" for at in (1, 3, 5) for what in ("mean", "variance")}
    assert set(taking.names) == {*functional.names, *statistics}
    torch.testing.assert_close(
        taking(tensors | statistics, x), functional(tensors, x, mask), rtol=1e-12, atol=1e-12
    )
    assert functional.norm_names() >= {"1.weight", "1.bias"}
    assert functional.norm_names().isdisjoint({"0.weight", "2.bias"})


def test_every_batch_norm_is_found() -> None:
    shared = nn.BatchNorm1d(3)
    module = nn.Sequential(
        shared, nn.Linear(3, 3), shared, nn.ModuleDict({"deep": nn.Sequential(nn.SyncBatchNorm(3))})
    )
    replaced = [*replace_layers(copy.deepcopy(module)).modules(), replace_layers(nn.BatchNorm2d(3))]

    assert sum(isinstance(m, BatchNorm) for m in replaced) == 4
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in replaced)


def test_tied_layers_stay_tied() -> None:
    layer = nn.Linear(3, 3)
    functional = Functional(nn.Sequential(layer, nn.BatchNorm1d(3), layer))
    params, state = functional.init()
    x = torch.randn(4, 3)
    assert set(params) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    zero = params | {name: torch.zeros_like(params[name]) for name in ("0.weight", "0.bias")} | state
    assert not functional(zero, x).any()


def test_the_head_is_the_last_layer_or_what_is_named() -> None:
    functional = Functional(net())
    assert functional.head_names() == {"4.weight", "4.bias"}
    assert functional.head_names("0.") == {"0.weight", "0.bias"}
    assert functional.head_names("nowhere") == set()


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(6),
        nn.LayerNorm(6),
        nn.LayerNorm(6, elementwise_affine=False),
        nn.GroupNorm(2, 6),
        nn.RMSNorm(6),
        nn.Sequential(nn.Unflatten(1, (2, 3)), nn.InstanceNorm1d(2, affine=True), nn.Flatten()),
    ],
    ids=lambda norm: str(norm).partition("(")[0],
)
def test_torchs_own_norms_have_the_same_second_order_gradient_both_ways(norm: nn.Module) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 6), norm, nn.Tanh(), nn.Linear(6, 2)).double()
    algorithm = MAML(module, inner_lr=0.3, inner_steps=2)
    params, state = algorithm.net.init()
    labels = torch.arange(6) % 2
    batch = stack(
        [Task(*(make_examples(torch.randn(6, 3).double(), labels, 2) for _ in range(2))) for _ in range(3)]
    )
    loop, vmap = (Engine(algorithm, way).update(params, state, batch)[0] for way in ("loop", "vmap"))
    for name in params:
        torch.testing.assert_close(loop[name], vmap[name], rtol=1e-8, atol=1e-12)
