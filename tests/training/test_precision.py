"""bfloat16 is for networks that bear it, on devices that know it; what it trains is float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from metadx.algorithms import IMAML, MAML, LogisticRegression, ProtoNet
from metadx.errors import UserError
from metadx.training import TrainingSettings, feed_for, train
from metadx.training.precision import precision_of
from training.making import dataset, network, tasks

BFLOAT16 = TrainingSettings(precision="bfloat16", iterations=20, meta_batch=4, keep="last", device="cpu")
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("algorithm", "device", "said"),
    [
        (
            LogisticRegression(),
            "cpu",
            "LogisticRegression has no network that could compute in it: leave it out",
        ),
        (IMAML(network()), "cpu", "the conjugate gradient of IMAML makes its rounding errors large"),
        (MAML(network()), "meta", "which device 'meta' cannot compute in"),
    ],
)
def test_where_it_is_refused(algorithm: Any, device: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^training.precision is bfloat16, .*{said}"):
        precision_of(BFLOAT16, algorithm, torch.device(device))


def test_float32_is_refused_nowhere() -> None:
    assert precision_of(TrainingSettings(), LogisticRegression(), CPU) is None
    assert precision_of(BFLOAT16, MAML(network()), CPU) == torch.bfloat16


def test_a_training_in_bfloat16_learns_and_ends_in_float32() -> None:
    algorithm, validation = ProtoNet(network(None)), tasks(20)
    feed = feed_for(algorithm, dataset())
    trained = train(algorithm, feed, validation, BFLOAT16)
    exact = train(algorithm, feed, validation, BFLOAT16.model_copy(update={"precision": "float32"}))
    assert all(value.dtype == torch.float32 for value in trained.params.values())
    assert any(not torch.equal(trained.params[name], exact.params[name]) for name in exact.params)
    assert trained.score == pytest.approx(exact.score, abs=0.05)
    assert trained.history[-1]["loss"] == pytest.approx(exact.history[-1]["loss"], abs=0.05)
