"""Base networks take any size of input, and groups and masks are what they say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metadx.errors import UserError
from metadx.learners import (
    MLP,
    BatchNorm,
    ConvNet,
    LayerNorm,
    NamedSettings,
    build_learner,
    output_width,
    statistics_from,
)
from metadx.learners.convnet import DOWNSAMPLES, NORMS
from metadx.learners.mlp import ACTIVATIONS

IMAGES = [(1, 1, 1), (3, 1, 7), (1, 2, 2), (2, 5, 3), (4, 9, 9), (1, 28, 28), (3, 33, 17), (5, 2, 40)]
OTHERS = [(1, 6, 5, 7), (2, 1, 9, 9), (1, 28, 28, 28), (3, 50), (1, 1)]
"""Volumes and signals."""


@pytest.mark.parametrize("shape", IMAGES + OTHERS, ids=str)
@pytest.mark.parametrize("downsample", DOWNSAMPLES)
@pytest.mark.parametrize("norm", NORMS)
def test_convnet_takes_any_image(shape: tuple[int, ...], downsample: str, norm: str) -> None:
    x = torch.randn(3, *shape)
    logits = ConvNet(shape, 4, width=8, downsample=downsample, norm=norm)
    embedding = ConvNet(shape, None, width=8, downsample=downsample, norm=norm)

    assert logits(x).shape == (3, 4)
    assert torch.isfinite(logits(x)).all()
    assert embedding(x).shape == (3, output_width(embedding, shape))


@pytest.mark.parametrize("shape", [(1, 6, 6, 6), (1, 6, 6), (1, 6), (6,)], ids=str)
def test_auto_picks_a_network_by_the_shape_of_a_case(shape: tuple[int, ...]) -> None:
    network = build_learner(NamedSettings(name="auto"), shape, 3)
    assert network(torch.randn(2, *shape)).shape == (2, 3)
    convolved = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    assert all(m.weight.dim() == len(shape) + 1 for m in convolved)
    assert bool(convolved) == (len(shape) > 1)


def test_a_learner_says_which_shapes_it_takes() -> None:
    with pytest.raises(
        UserError, match=r"'convnet' takes cases of 2 or 3 or 4 dimensions, not of shape \(9,\)"
    ):
        build_learner(NamedSettings(name="convnet"), (9,), 3)
    with pytest.raises(UserError, match=r"'signalnet' takes cases of 2 dimensions, not of shape \(1, 9, 9\)"):
        build_learner(NamedSettings(name="signalnet"), (1, 9, 9), 3)


@pytest.mark.parametrize("width", [1, 5, 8, 12, 20, 32, 64])
def test_group_norm_of_any_width_keeps_what_one_pixel_says(width: int) -> None:
    norm = NORMS["group"](width)
    x = torch.randn(3, width, 1, 1)
    assert norm(x).shape == x.shape
    assert width == 1 or norm(x).abs().max() > 0.1


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)], ids=str)
def test_mlp_takes_any_depth(activation: str, norm: str, hidden: tuple[int, ...]) -> None:
    assert MLP(3, 2, hidden, activation, norm)(torch.randn(4, 3)).shape == (4, 2)
    assert output_width(MLP(3, None, hidden, activation, norm), (3,)) == (3, *hidden)[-1]


@pytest.mark.parametrize("option", ["downsample", "norm", "activation"])
def test_an_unknown_option_is_refused_by_name_and_value(option: str) -> None:
    with pytest.raises(UserError, match=f"{option} must be one of .*, not 'nonsense'"):
        ConvNet((1, 8, 8), 2, **{option: "nonsense"})
    if option != "downsample":
        with pytest.raises(UserError, match=f"{option} must be one of .*, not 'nonsense'"):
            MLP(3, 2, **{option: "nonsense"})


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_equals_torchs_in_training(shape: tuple[int, ...], affine: bool) -> None:
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
    theirs, ours = kinds[len(shape)](4, affine=affine).double(), BatchNorm(4, affine).double()
    if affine:
        for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
            a.data = b.data = torch.randn(4).double()
    x = torch.randn(shape).double()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3, 2)], ids=str)
def test_masked_rows_have_no_say_in_the_statistics(shape: tuple[int, ...]) -> None:
    norm = BatchNorm(4).double()
    x = torch.randn(shape).double()
    mask = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    with statistics_from(mask):
        found = norm(x)
        louder = torch.where(mask.view(-1, *(1,) * (x.dim() - 1)) > 0, x, 1e6)
        torch.testing.assert_close(norm(louder)[mask > 0], found[mask > 0], rtol=1e-12, atol=0)
    torch.testing.assert_close(found[mask > 0], norm(x[mask > 0]), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(norm(x), found)


def test_layer_norm_equals_torchs() -> None:
    theirs, ours = nn.LayerNorm(5).double(), LayerNorm(5).double()
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        a.data = b.data = torch.randn(5).double()
    x = torch.randn(3, 2, 5).double()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_asking_for_the_width_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout()).double().train()
    module[1].eval()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    assert output_width(module, (3,)) == 4
    assert [m.training for m in module] == [True, False, True]
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
