"""MetaOptim: MAML for people who write their own loop."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.examples import BATCH_NORM, PLAIN, all_close, close, draw_regression, draw_task, ragged
from metadx.algorithms import MAML, SQUARED_ERROR, Engine
from metadx.tasks import Task, stack
from metadx.tasks.meta_dataset import as_dict
from metadx.training import MetaOptim, compute_meta_loss


def loss_of(learner: nn.Module, batch: dict[str, Tensor], **settings: Any) -> Tensor:
    optim = MetaOptim(learner, **settings)
    adapted = optim.adapt(batch["data"], batch["labels"], batch.get("mask"))
    return compute_meta_loss(learner, adapted, batch)


def gradients(learner: nn.Module, batch: dict[str, Tensor], **settings: Any) -> dict[str, Tensor]:
    learner.zero_grad()
    loss_of(learner, batch, **settings).backward()
    return {k: p.grad for k, p in learner.named_parameters() if p.grad is not None}


def reference(learner: nn.Module, batch: Task, **settings: Any) -> dict[str, Tensor]:
    algorithm = MAML(learner, **settings)
    params, state = algorithm.init(np.random.default_rng(0))
    return Engine(algorithm, "loop").update(params, state, batch)[0]


def test_the_module_outside_is_never_changed_by_adapting(rng: np.random.Generator) -> None:
    learner = BATCH_NORM(4)
    learner.train()
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    loss_of(
        learner, as_dict(stack([draw_task(rng, (2, 4, 5)) for _ in range(2)])), inner_lr=0.1, inner_steps=2
    )
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())
    assert learner.training


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("learner", [PLAIN, BATCH_NORM], ids=lambda learner: learner.name)
def test_its_gradient_is_the_algorithms(learner: Any, first_order: bool, rng: np.random.Generator) -> None:
    batch = stack(ragged(rng, learner.shape))
    settings = {"inner_lr": 0.1, "inner_steps": 2, "first_order": first_order}
    mine = gradients(module := learner(4), as_dict(batch), **settings)
    theirs = reference(module, batch, **settings)
    assert all_close(mine, theirs, 1e-7)
    assert sum(g.norm() for g in mine.values()) > 1e-3


def test_its_gradient_is_that_of_a_loop_written_out(rng: np.random.Generator) -> None:
    batch = as_dict(stack([draw_task(rng, (3,)) for _ in range(3)]))
    learner = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    mine = gradients(learner, batch, inner_lr=0.2, inner_steps=3)

    learner.zero_grad()
    names = [k for k, _ in learner.named_parameters()]
    losses = []
    for x, y, qx, qy in zip(
        *(batch[k] for k in ("data", "labels", "query_data", "query_labels")), strict=True
    ):
        fast = dict(learner.named_parameters())
        for _ in range(3):
            loss = nn.functional.cross_entropy(torch.func.functional_call(learner, fast, (x,)), y)
            steps = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {k: v - 0.2 * g for (k, v), g in zip(fast.items(), steps, strict=True)}
        losses.append(nn.functional.cross_entropy(torch.func.functional_call(learner, fast, (qx,)), qy))
    torch.stack(losses).mean().backward()
    assert all(close(mine[k], dict(learner.named_parameters())[k].grad, 1e-9) for k in names)


def test_padding_changes_nothing(rng: np.random.Generator) -> None:
    tasks = ragged(rng, (3,))
    learner = PLAIN(4)
    together = loss_of(learner, as_dict(stack(tasks)), inner_lr=0.1, inner_steps=2)
    alone = [loss_of(learner, as_dict(stack([task])), inner_lr=0.1, inner_steps=2) for task in tasks]
    assert together.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-9)


def test_padding_that_was_adapted_to_is_refused(rng: np.random.Generator) -> None:
    batch = as_dict(stack(ragged(rng, (3,))))
    learner = PLAIN(4)
    optim = MetaOptim(learner)
    with pytest.raises(ValueError, match=r"padded: adapt with `adapt\(data, labels, mask="):
        compute_meta_loss(learner, optim.adapt(batch["data"], batch["labels"]), batch)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_labels_may_be_any_whole_numbers(dtype: torch.dtype, rng: np.random.Generator) -> None:
    batch = as_dict(stack([draw_task(rng, (3,)) for _ in range(2)]))
    learner = PLAIN(4)
    expected = loss_of(learner, batch)
    for key in ("labels", "query_labels"):
        batch[key] = batch[key].to(dtype)
    assert loss_of(learner, batch).item() == expected.item()


def test_regression(rng: np.random.Generator) -> None:
    batch = stack([draw_regression(rng, (3,)) for _ in range(3)])
    learner = PLAIN(2)
    mine = gradients(learner, as_dict(batch, classification=False), inner_lr=0.05, inner_steps=2)
    theirs = reference(learner, batch, inner_lr=0.05, inner_steps=2, loss=SQUARED_ERROR)
    assert all_close(mine, theirs, 1e-7)


def test_frozen_parameters_neither_adapt_nor_learn(rng: np.random.Generator) -> None:
    learner = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    learner[0].requires_grad_(False)
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    optim = MetaOptim(learner, inner_lr=0.1, inner_steps=2, lr=0.1)
    batch = as_dict(stack([draw_task(rng, (3,)) for _ in range(2)]))
    adapted = optim.adapt(batch["data"], batch["labels"])
    assert all(torch.equal(adapted.tensors["0.weight"][i], before["0.weight"]) for i in range(2))
    optim.step(compute_meta_loss(learner, adapted, batch))
    assert torch.equal(learner[0].weight, before["0.weight"])
    assert not torch.equal(learner[2].weight, before["2.weight"])


def test_a_module_of_ones_own_with_batch_norm_learns(rng: np.random.Generator) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(3, 8)
            self.norm = nn.BatchNorm1d(8)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.norm(self.body(x))))

    torch.manual_seed(0)
    learner = Own().double()
    optim = MetaOptim(learner, inner_lr=0.1, inner_steps=3, lr=0.01)
    batch = as_dict(stack([draw_task(rng, (3,)) for _ in range(4)]))
    losses = []
    for _ in range(40):
        loss = compute_meta_loss(learner, optim.adapt(batch["data"], batch["labels"]), batch)
        optim.step(loss)
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert torch.equal(learner.norm.running_mean, torch.zeros(8).double())


def test_an_optimiser_of_ones_own_is_used(rng: np.random.Generator) -> None:
    learner = PLAIN(4)
    batch = as_dict(stack([draw_task(rng, (3,)) for _ in range(2)]))
    before = {k: p.detach().clone() for k, p in learner.named_parameters()}
    optim = MetaOptim(learner, optimizer=torch.optim.SGD(learner.parameters(), 0.5))
    loss = compute_meta_loss(learner, optim.adapt(batch["data"], batch["labels"]), batch)
    optim.step(loss)
    assert all(torch.allclose(p, before[k] - 0.5 * p.grad) for k, p in learner.named_parameters())


@pytest.mark.parametrize("key", ["data", "labels", "query_data", "query_labels"])
def test_a_batch_that_lacks_something_says_what(key: str, rng: np.random.Generator) -> None:
    learner = PLAIN(4)
    batch = as_dict(stack([draw_task(rng, (3,))]))
    adapted = MetaOptim(learner).adapt(batch["data"], batch["labels"])
    del batch[key]
    with pytest.raises(KeyError, match=rf"the batch lacks \['{key}'\]"):
        compute_meta_loss(learner, adapted, batch)


@pytest.mark.parametrize(
    "norm",
    [nn.LayerNorm(6), nn.LayerNorm(6, bias=False), nn.GroupNorm(2, 6)],
    ids=lambda norm: type(norm).__name__,
)
def test_torchs_own_norms_give_exact_second_order_gradients(norm: nn.Module) -> None:
    torch.manual_seed(0)
    learner = nn.Sequential(nn.Linear(3, 6), copy.deepcopy(norm), nn.Tanh(), nn.Linear(6, 3)).double()
    data, query = torch.randn(2, 4, 6, 3, dtype=torch.float64)
    batch = {
        "data": data,
        "labels": torch.arange(6).remainder(3).expand(4, -1),
        "query_data": query,
        "query_labels": torch.arange(6).remainder(3).expand(4, -1),
    }

    def loss() -> torch.Tensor:
        meta_optim = MetaOptim(learner, inner_lr=0.5, inner_steps=2)
        return compute_meta_loss(learner, meta_optim.adapt(batch["data"], batch["labels"]), batch)

    weight = learner[0].weight
    (gradient,) = torch.autograd.grad(loss(), weight)
    probe = torch.randn_like(weight)
    with torch.no_grad():
        weight += 1e-5 * probe
        ahead = loss()
        weight -= 2e-5 * probe
        behind = loss()
    assert ((ahead - behind) / 2e-5).item() == pytest.approx((gradient * probe).sum().item(), rel=1e-6)
