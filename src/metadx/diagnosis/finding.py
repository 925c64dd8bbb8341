"""What a diagnoser says of one case."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Similar(BaseModel):
    """A support case that resembles the one at hand.

    Args:
        case: what the support set calls it.
        diagnosis: its label.
        distance: to the case at hand, in the model's own space, where 1 is the usual distance between two
            support cases.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    diagnosis: str
    distance: float


class Finding(BaseModel):
    """Probabilities for one case, and the evidence.

    Args:
        case: what the case is called.
        diagnosis: the most likely condition.
        probabilities: of every condition the diagnoser was shown; they add up to 1.
        similar: the most similar support cases, nearest first; empty where the support cases were left out.
        notes: what to keep in mind, in sentences.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    diagnosis: str
    probabilities: dict[str, float]
    similar: tuple[Similar, ...] = ()
    notes: tuple[str, ...] = ()
