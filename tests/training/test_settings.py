"""Settings are checked, and schedules give the step sizes they promise."""

import pytest
import torch
from pydantic import ValidationError

from metadx.errors import UserError
from metadx.training import TrainingSettings
from metadx.training.settings import device_of, rate


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.4, 0.4, 0.4, 0.4]),
        ("linear", [0.4, 0.3, 0.2, 0.1]),
        ("cosine", [0.4, 0.2 * (1 + 0.5**0.5), 0.2, 0.2 * (1 - 0.5**0.5)]),
        ("halving", [0.4, 0.2, 0.1, 0.05]),
    ],
)
def test_schedules(schedule: str, expected: list[float]) -> None:
    settings = TrainingSettings(iterations=80, lr=0.4, schedule=schedule, halve_every=20)
    assert [rate(settings, step) for step in (0, 20, 40, 60)] == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "one_cycle", "halving"])
def test_every_schedule_stays_above_zero_and_at_most_lr(schedule: str) -> None:
    settings = TrainingSettings(iterations=97, lr=0.4, schedule=schedule)
    rates = [rate(settings, step) for step in range(97)]
    assert min(rates) > 0
    assert max(rates) <= 0.4 * (1 + 1e-9)
    assert max(rates) > 0.38


def test_one_cycle_rises_for_a_tenth_of_the_steps_and_then_falls() -> None:
    settings = TrainingSettings(iterations=100, schedule="one_cycle")
    rates = [rate(settings, step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": -1},
        {"meta_batch": 0},
        {"lr": 0},
        {"lr": float("nan")},
        {"optimizer": "lbfgs"},
        {"schedule": "warmup"},
        {"clip": 0},
        {"weight_decay": -1},
        {"validate_every": 0},
        {"validation_tasks": 0},
        {"patience": 0},
        {"max_seconds": 0},
        {"device": "gpu0"},
        {"seed": -1},
        {"epochs": 3},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainingSettings(**wrong)


def test_a_device_that_is_not_there_is_named() -> None:
    assert device_of(TrainingSettings(device="cpu")).type == "cpu"
    assert device_of(TrainingSettings()).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match="'xpu', which PyTorch cannot use here"):
        device_of(TrainingSettings(device="xpu"))
