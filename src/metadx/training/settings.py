"""The settings of a training run."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator

from metadx.errors import UserError
from metadx.training.processes import ALONE, Processes


class TrainingSettings(BaseModel):
    """How the outer loop runs.

    Args:
        iterations: outer steps.
        meta_batch: tasks per outer step; cases per step where an algorithm learns from pooled cases.
        optimizer: "adam", or "sgd", which steps by `lr` times the direction itself.
        lr: outer step size.
        schedule: "constant", "cosine" or "linear" to zero, "one_cycle" (a tenth of the steps up, then a cosine
            to zero), or "halving" every `halve_every` steps.
        halve_every: outer steps between halvings.
        clip: largest norm of the direction; None leaves it.
        weight_decay: of the outer optimiser.
        validate_every: outer steps between validations.
        validation_tasks: meta-validation tasks, the same ones every time.
        keep: the parameters that validated "best", or the "last" ones, for schedules that end at zero.
        patience: validations without a better score before training stops; None never stops early.
        max_seconds: training stops cleanly after this long; runs that end by the clock are not reproducible to
            the byte.
        checkpoint_every: seconds between checkpoints, from which `metadx train --resume` goes on; 0 writes one
            after every step. It changes no result.
        engine: how a batch of tasks runs: "loop", one after the other; "vmap", all together; "recorded", the same
            operations from a list that is written down once, which is quicker, and on a GPU one CUDA graph where
            PyTorch can make one; "compiled", that list compiled by `torch.compile`, which needs a C++ compiler and
            time to compile, and rounds differently. "auto" chooses one of the first three by device and network.
        ahead: batches that a thread draws while the step on an earlier one runs, and that may wait; 0 draws each
            when it is needed. It changes no result.
        device: "auto" is a GPU where PyTorch finds one, else the processor; or a name such as "cpu" or "cuda:1".
        precision: of the products and convolutions of networks in meta-training; "bfloat16" is for GPUs. Norms,
            losses, heads that are solved for, parameters, validation and everything after training stay in float32.
        seed: of the initial weights, the tasks and everything else that is random.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: int = Field(1000, ge=0)
    meta_batch: int = Field(16, ge=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine", "linear", "one_cycle", "halving"] = "constant"
    halve_every: int = Field(2000, ge=1)
    clip: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    validate_every: int = Field(100, ge=1)
    validation_tasks: int = Field(100, ge=1)
    keep: Literal["best", "last"] = "best"
    patience: int | None = Field(None, ge=1)
    max_seconds: float | None = Field(None, gt=0)
    checkpoint_every: float = Field(30.0, ge=0, allow_inf_nan=False)
    engine: Literal["auto", "loop", "vmap", "recorded", "compiled"] = "auto"
    ahead: int = Field(0, ge=0, le=64)
    device: str = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(0, ge=0)

    @field_validator("device")
    @classmethod
    def _known(cls, device: str) -> str:
        try:
            return device if device == "auto" else str(torch.device(device))
        except RuntimeError:
            raise ValueError("name a device of PyTorch, such as cpu, cuda or cuda:1, or say auto") from None


def rate(settings: TrainingSettings, step: int) -> float:
    """The outer step size at `step`."""
    done = step / max(settings.iterations, 1)
    factor = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "one_cycle": min(done / 0.1 + 0.04, 0.5 * (1 + math.cos(math.pi * max(done - 0.1, 0) / 0.9))),
        "halving": 0.5 ** (step // settings.halve_every),
    }[settings.schedule]
    return settings.lr * factor


def device_of(settings: TrainingSettings, processes: Processes = ALONE) -> torch.device:
    """The device that this process trains on.

    Raises:
        UserError: PyTorch cannot use the one that is named, or there are fewer GPUs than processes.
    """
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(processes.device(found if settings.device == "auto" else settings.device))
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"training.device is '{settings.device}', which PyTorch cannot use here; say auto or cpu."
        ) from error
    return device
