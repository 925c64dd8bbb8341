"""How often a run's forecasts hold: predicted for conditions that it has never seen, and looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metadx.algorithms import as_predictor
from metadx.studies.build import build_problem
from metadx.studies.diagnosing import model_of
from metadx.studies.planning.extrapolation import Range
from metadx.studies.planning.history import Past, enough, pasts, replay
from metadx.studies.planning.plan import past_replays, reach
from metadx.studies.planning.prospect import Prospect, accuracy_of, recalls_of
from metadx.studies.runs import Run
from metadx.tasks import ConditionSource


class Check(NamedTuple):
    """One forecast beside the truth.

    Args:
        of: the condition it is about; empty for the whole task.
        shots: labelled cases of each condition.
        told: the forecast share of right diagnoses.
        truth: that share on other patients.
    """

    of: str
    shots: int
    told: Range
    truth: float

    @property
    def holds(self) -> bool:
        """Whether the interval holds the truth."""
        return self.told.low <= self.truth <= self.told.high


def check_run(
    run: Run, ways: int, present: int, shots: Sequence[int], *, number: int, query: int, seed: int = 0
) -> list[Check]:
    """Forecasts for support sets of meta-test conditions, beside what came of them.

    Args:
        ways: conditions of each support set, or as many as have enough cases.
        present: labelled cases of each condition that a forecast is made from.
        shots: labelled cases of each condition that it is made for, fewest first.
        number: support sets.
        query: other patients' cases per condition, at most, that tell the truth.
    """
    model = model_of(run)
    splits = build_problem(run.recipe).splits
    predictor = as_predictor(model.algorithm, model.params, model.state)
    (source,) = (s for s in splits.test.sources() if isinstance(s, ConditionSource))
    new = enough(Past(source, np.zeros(len(source.cases.classes), bool)), shots[-1], ways)
    assert new is not None
    known, asked = reach(pasts(splits), shots)
    counts = [present] * ways
    history = past_replays(predictor, known, counts, asked, seed)
    found = []
    for case in replay(predictor, new, counts, ways, asked, number, query, np.random.default_rng(seed)):
        own = Prospect(case.evidence, case.trained)
        each = recalls_of(own, history)
        overall = accuracy_of(each)
        for at, k in enumerate(asked, start=1):
            found.append(Check("", k, overall.shares[at], case.course[at].accuracy))
            for name, told, truth in zip(case.conditions, each, case.course[at].recall, strict=True):
                found.append(Check(name, k, told.shares[at], float(truth)))
    return found
