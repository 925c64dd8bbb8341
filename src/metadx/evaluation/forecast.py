"""What more labelled cases may bring, as plain data."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Part):
    """An expected value with its 80 % interval."""

    value: float
    low: float
    high: float


class Outlook(_Part):
    """What to expect with so many labelled cases of each condition.

    Args:
        shots: labelled cases of each condition, where more are not there already; None for those there are.
        accuracy: share of new patients' cases diagnosed right, were all conditions equally common.
        gain: how much that is above the present share.
        recall: share of each condition's cases diagnosed right.
    """

    shots: int | None
    accuracy: Expected
    gain: Expected
    recall: Mapping[str, Expected]


class Forecast(_Part):
    """How many more labelled cases would help.

    Args:
        title: of the run.
        cases: labelled cases of each condition.
        scored: how many of them could be left out and diagnosed from the others.
        measured: share of those diagnosed right, were all conditions equally common; None where there are none.
        outlooks: the present first, then with more cases; empty where the run knows too few conditions.
        replays: how often the situation was replayed.
        conditions: those it was replayed on; true where the run was trained on it.
        summary: the forecast in sentences.
        notes: what limits it.
        command: what makes it again.
    """

    title: str
    cases: Mapping[str, int]
    scored: int
    measured: float | None
    outlooks: tuple[Outlook, ...]
    replays: int
    conditions: Mapping[str, bool]
    summary: tuple[str, ...]
    notes: tuple[str, ...]
    command: str
