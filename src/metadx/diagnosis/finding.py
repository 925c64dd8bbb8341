"""What a diagnoser says of one case."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Similar(BaseModel):
    """A support case that resembles the one at hand.

    Args:
        case: what the support set calls it.
        diagnosis: its label, or its value.
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


class ForecastFinding(BaseModel):
    """A value for one case, and how far to trust it.

    Args:
        case: what the case is called.
        value: what is predicted.
        low, high: an interval around it; None where too few support cases could be held back for one.
        level: the share of cases whose value such intervals hold, as long as the patient stays as they were.
        quantity: what the value is.
        unit: what it is measured in.
        adapted: whether the model was adapted to the patient; not where that did harm on their latest cases.
        similar: the most similar support cases, nearest first; empty where the support cases were left out.
        notes: what to keep in mind, in sentences.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    value: float
    low: float | None
    high: float | None
    level: float
    quantity: str = ""
    unit: str = ""
    adapted: bool = True
    similar: tuple[Similar, ...] = ()
    notes: tuple[str, ...] = ()
