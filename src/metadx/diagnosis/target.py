"""What a model of values predicts, and how its outputs become such values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Target(BaseModel):
    """A target value.

    Args:
        centre, spread: output 0 means the centre, output 1 the centre and the spread.
        quantity: what it is, such as "glucose 30 minutes later".
        unit: what it is measured in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    centre: float = Field(0.0, allow_inf_nan=False)
    spread: float = Field(1.0, gt=0, allow_inf_nan=False)
    quantity: str = ""
    unit: str = ""
