"""The perceptron on aligned signals: what it sees, and that it can be differentiated twice."""

from __future__ import annotations

import pytest
import torch

from metadx.errors import UserError
from metadx.learners import NamedSettings, SignalMLP, SignalNet, build_learner


@pytest.mark.parametrize("shape", [(5, 24), (3, 5, 24)])
def test_it_takes_signals_and_views_of_them(shape: tuple[int, ...]) -> None:
    x = torch.randn(7, *shape)
    assert SignalMLP(shape, 4, (6,), steady=2)(x).shape == (7, 4)
    assert SignalMLP(shape, None, (6, 3), steady=4)(x).shape == (7, 3)


def test_steady_channels_are_seen_by_their_mean_alone() -> None:
    torch.manual_seed(0)
    net, x = SignalMLP((3, 24), 2, (6,), steady=1), torch.randn(4, 3, 24)
    shuffled = x.clone()
    shuffled[:, 2] = x[:, 2].flip(-1)
    assert torch.allclose(net(x), net(shuffled), atol=1e-5)
    shuffled[:, 1] = x[:, 1].flip(-1)
    assert not torch.allclose(net(x), net(shuffled), atol=1e-3)


def test_convolutions_do_not_see_steady_channels() -> None:
    torch.manual_seed(0)
    net, x = SignalNet((2, 3, 24), 2, steady=2, width=4, blocks=2), torch.randn(4, 2, 3, 24)
    assert net.blocks[0].first.in_channels == 2
    shuffled = x.clone()
    shuffled[:, :, 1:] = x[:, :, 1:].flip(-1)
    assert torch.allclose(net(x), net(shuffled), atol=1e-5)
    assert not torch.allclose(net(x), net(x.flip(-1)), atol=1e-3)
    with pytest.raises(ValueError, match="steady must be from 0 to 2"):
        SignalNet((3, 24), 2, steady=3)


def test_it_can_be_differentiated_twice() -> None:
    net = SignalMLP((2, 12), 1, (5, 4), steady=1, stretches=3).double()
    x = torch.randn(2, 2, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(net, (x,))


def test_settings_that_do_not_fit_are_refused() -> None:
    for settings, said in (
        ({"steady": 5}, "steady must be from 0 to 4"),
        ({"coarse": 0}, "coarse and stretches must be from 1 to 24"),
        ({"activation": "relo"}, "activation must be one of"),
    ):
        with pytest.raises(UserError, match=said):
            build_learner(NamedSettings.model_validate({"name": "signalmlp", **settings}), (5, 24), 3)
    with pytest.raises(UserError, match="takes cases of 2 dimensions"):
        build_learner(NamedSettings(name="signalmlp"), (3, 5, 24), 3)


@pytest.mark.parametrize("name", ["mlp", "signalnet", "signalmlp", "auto"])
def test_every_learner_of_signals_takes_views(name: str) -> None:
    net = build_learner(NamedSettings(name=name), (5, 24), 3, views=2)
    assert net(torch.randn(4, 2, 5, 24)).shape == (4, 3)
