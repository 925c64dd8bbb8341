"""Where a training may compute in bfloat16."""

from __future__ import annotations

import torch

from metadx.algorithms import IMAML, Algorithm
from metadx.errors import UserError
from metadx.learners import Functional
from metadx.training.settings import TrainingSettings


def precision_of(
    settings: TrainingSettings, algorithm: Algorithm, device: torch.device
) -> torch.dtype | None:
    """What the products and convolutions of networks are to be computed in; None for their parameters' own.

    Raises:
        UserError: there is no network, the algorithm cannot bear the rounding, or the device does not know it.
    """
    if settings.precision == "float32":
        return None
    name, asked = type(algorithm).__name__, "training.precision is bfloat16"
    if not isinstance(getattr(algorithm, "net", None), Functional):
        raise UserError(f"{asked}, but {name} has no network that could compute in it: leave it out.")
    if isinstance(algorithm, IMAML):
        raise UserError(
            f"{asked}, but the conjugate gradient of {name} makes its rounding errors large: leave it out, or take "
            "maml with recompute: true, which is sparing too."
        )
    known = torch.amp.is_autocast_available(device.type)
    if not known or (device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)):
        raise UserError(f"{asked}, which device '{device}' cannot compute in: leave it out.")
    return torch.bfloat16
