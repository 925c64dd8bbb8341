"""Learners and algorithms by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metadx.algorithms import ALGORITHMS, TITLES, Algorithm, Dimensions, build_algorithm, suits
from metadx.errors import UserError
from metadx.learners import NamedSettings, build_learner

TABLE = Dimensions((4,), 3, 6)
IMAGE = Dimensions((1, 8, 8), 3, 6)
AUTO = NamedSettings(name="auto")
NO_BATCH_NORM = NamedSettings.model_validate({"name": "convnet", "norm": "group"})


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("size", [TABLE, IMAGE], ids=["table", "image"])
def test_every_algorithm_can_be_built_for_tables_and_images(name: str, size: Dimensions) -> None:
    size = replace(size, classification=suits(name, classification=True))
    learner = NO_BATCH_NORM if name == "own_normal" and size.input_shape == IMAGE.input_shape else AUTO
    built = build_algorithm(NamedSettings(name=name), learner, size)
    assert isinstance(built, Algorithm)
    params, _ = built.init(np.random.default_rng(0))
    assert (built.consumes == "nothing") or params
    assert TITLES[name]


def test_the_seed_decides_the_first_weights_and_nothing_else_does() -> None:
    def first(seed: int) -> torch.Tensor:
        return next(build_learner(AUTO, (4,), 3, seed).parameters())

    a = first(1)
    torch.manual_seed(77)
    before = torch.get_rng_state()
    assert torch.equal(first(1), a)
    assert not torch.equal(first(2), a)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("mamal", {}, "unknown algorithm 'mamal'; did you mean 'maml'?"),
        ("zzz", {}, "unknown algorithm 'zzz'; known are anil, "),
        ("maml", {"inner_rl": 1}, "unknown key 'algorithm.maml.inner_rl'; did you mean 'inner_lr'?"),
        ("maml", {"network": 1}, "unknown key 'algorithm.maml.network'"),
        ("maml", {"inner_lr": 0}, "MAML: inner_lr must be above 0, not 0"),
        ("maml", {"inner_steps": -1}, "MAML: inner_steps must be at least 0, not -1"),
    ],
)
def test_unknown_algorithms_and_settings_are_named(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        build_algorithm(NamedSettings(name=name, **settings), AUTO, TABLE)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("convent", {}, "unknown learner 'convent'; did you mean 'convnet'?"),
        ("mlp", {"hiden": [3]}, "unknown key 'learner.mlp.hiden'; did you mean 'hidden'?"),
        ("mlp", {"activation": "relo"}, "activation must be one of"),
        ("convnet", {}, "learner 'convnet' takes cases of 2 or 3 or 4 dimensions, not of shape (4,)"),
    ],
)
def test_unknown_learners_and_settings_are_named(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        build_learner(NamedSettings(name=name, **settings), (4,), 3)
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["protonet", "logistic_regression", "nearest_centroid", "boosted_trees"])
def test_what_tells_conditions_apart_refuses_regression(name: str) -> None:
    with pytest.raises(
        UserError, match=f"{name} tells conditions apart and cannot predict values; these can:"
    ):
        build_algorithm(NamedSettings(name=name), AUTO, Dimensions((1,), 1, 0, classification=False))


@pytest.mark.parametrize("algorithm", [{"inner_lr": "fast"}, {"inner_steps": "many"}, {"inner_lr": [1]}])
def test_settings_of_the_wrong_type_are_the_users_to_mend(algorithm: dict[str, object]) -> None:
    with pytest.raises(UserError, match="maml"):
        build_algorithm(NamedSettings(name="maml", **algorithm), AUTO, TABLE)
