"""Pretrained networks keep what they know: their statistics, their frozen layers, and every picture on its own."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from metadx.algorithms import FineTune, ProtoNet
from metadx.cases import Pixels
from metadx.errors import UserError
from metadx.learners import BACKBONES, Embedding, Functional, NamedSettings, build_learner, keep_statistics
from metadx.tasks import Task, make_examples


def trained() -> nn.Sequential:
    """A small network with batch norms that have seen some data."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(144, affine=False)
    )
    for _ in range(3):
        network(3 + 2 * torch.randn(16, 3, 8, 8))
    return network.eval()


def test_kept_statistics_give_what_evaluation_mode_gives() -> None:
    network, x = trained(), torch.randn(5, 3, 8, 8)
    net = Functional(keep_statistics(copy.deepcopy(network)))
    params, state = net.init()

    torch.testing.assert_close(net(params | state, x), network(x))
    torch.testing.assert_close(net(params | state, x[:1]), network(x)[:1])
    assert not net.batch_statistics
    assert set(params) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert set(state) == {"1.mean", "1.variance", "4.mean", "4.variance"}


def test_a_norm_without_statistics_stays() -> None:
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    assert keep_statistics(norm) is norm


def test_a_network_of_one_s_own_is_a_transform() -> None:
    network = trained()
    embedding = Embedding(network, Pixels((3, 8, 8)))
    x = np.random.default_rng(0).integers(0, 256, (70, 3, 8, 8)).astype(np.uint8)

    assert embedding.shape == (144,)
    assert embedding(x).dtype == np.float32
    np.testing.assert_allclose(embedding(x)[33:34], embedding(x[33:34]), rtol=1e-5, atol=1e-5)
    assert embedding(x[:0]).shape == (0, 144)


def pictures(number: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (number, 3, 20, 20)).astype(np.uint8)


def test_all_stages_see_a_picture_alone_however_it_is_turned_and_large() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    x = pictures(9)
    stages = BACKBONES["efficientnet-lite0-stages"](x.shape[1:])
    features = stages(x)
    turned = stages(np.rot90(x[:2], 1, (2, 3))[..., ::-1])
    small, large = np.split(features[:2], 2, 1)

    assert features.shape == (9, *stages.shape) == (9, sum(stages.parts))
    np.testing.assert_allclose(stages(x[8:]), features[8:], atol=1e-3)
    np.testing.assert_allclose(turned[:, : small.shape[1]], small, atol=1e-3)
    assert np.abs(turned[:, small.shape[1] :] - large).max() > 0.1


def test_the_tail_goes_on_where_the_front_ends() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    x = pictures(2)
    front = BACKBONES["efficientnet-lite0-front"](x.shape[1:])
    tail = build_learner(NamedSettings(name="efficientnet-lite0-tail"), front.shape, None)
    whole = build_learner(NamedSettings(name="efficientnet-lite0"), x.shape[1:], None)
    embedded = torch.from_numpy(BACKBONES["efficientnet-lite0"](x.shape[1:])(x))

    with torch.no_grad():
        torch.testing.assert_close(tail(torch.from_numpy(front(x))), embedded, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(whole(torch.from_numpy(x) / 255), embedded, rtol=1e-3, atol=1e-3)


def test_only_the_last_blocks_are_trained() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    settings = {"name": "efficientnet-lite0-tail", "trainable": 1}
    network = build_learner(NamedSettings.model_validate(settings), (112, 8, 8), None)
    x = torch.randn(6, 112, 8, 8)
    part = make_examples(x[:4], torch.tensor([0, 1, 0, 1]), 2)
    task = Task(part, make_examples(x[4:], torch.tensor([0, 1]), 2))
    algorithm = ProtoNet(network)
    params, state = algorithm.init(np.random.default_rng(0))
    direction, after, _ = algorithm.update(params, state, task)

    assert {name.split(".")[1] for name in params} == {"_blocks", "_conv_head", "_bn1"}
    assert {name.split(".")[2] for name in params if "_blocks" in name} == {"4"}
    assert all(torch.isfinite(value).all() for value in direction.values())
    assert all(torch.equal(after[name], state[name]) for name in state)


def test_fine_tuning_leaves_the_frozen_layers() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    settings = {"name": "efficientnet-lite0-tail", "trainable": 0}
    network = build_learner(NamedSettings.model_validate(settings), (112, 8, 8), None)
    algorithm = FineTune(network, width=1280, classes=2, steps=1)
    params, state = algorithm.init(np.random.default_rng(0))
    support = make_examples(torch.randn(4, 112, 8, 8), torch.tensor([0, 1, 0, 1]), 2)
    adapted = algorithm.adapt(params, state, support)

    assert set(params) == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(adapted.tensors[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("settings", "shape", "says"),
    [
        ({"name": "efficientnet-lite0-tail"}, (3, 8, 8), "data.backbone efficientnet-lite0-front"),
        ({"name": "efficientnet-lite0-tail", "trainable": 6}, (112, 8, 8), "0 to 5"),
        ({"name": "efficientnet-lite0", "trainable": -1}, (3, 8, 8), "0 to 16"),
        ({"name": "efficientnet-lite0"}, (2, 8, 8), "1 or 3 channels"),
        ({"name": "efficientnet-lite0"}, (7,), "3 dimensions"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, object], shape: tuple[int, ...], says: str) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    with pytest.raises(UserError, match=says):
        build_learner(NamedSettings.model_validate(settings), shape, None)
