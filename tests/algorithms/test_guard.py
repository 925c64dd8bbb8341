"""Adapting is tried on a patient's own latest support cases first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metadx.algorithms import (
    MAML,
    Algorithm,
    LogisticRegression,
    MetaRidge,
    MixedEffects,
    Ridge,
    adapt_guarded,
    as_guarded_predictor,
    as_predictor,
    solve,
    try_adapting,
)
from metadx.learners import MLP
from metadx.tasks import Examples, Task, make_examples


def walk(seed: int, cases: int, turn: bool) -> Examples:
    """Cases whose target is what comes last; where it turns, that of the first half is the opposite of the rest."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(cases, 3, generator=generator)
    y = x[:, -1:] + 0.01 * torch.randn(cases, 1, generator=generator)
    if turn:
        y[: cases // 2] *= -1
    return Examples(x, y, torch.ones(cases))


def ridge(algorithm: Algorithm) -> tuple[Algorithm, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    return algorithm, *algorithm.init(np.random.default_rng(0))


VALUES = (
    Ridge(penalty=0.01, carry=True),
    MixedEffects(3, carry=True),
    MetaRidge(MLP(3, None, (4,)), 4, 3, carry=True, precision=0.1),
)


@pytest.mark.parametrize("algorithm", VALUES, ids=lambda a: type(a).__name__)
def test_the_base_is_kept_where_a_patient_changed(algorithm: Algorithm) -> None:
    made = ridge(algorithm)
    changed, steady = walk(0, 30, turn=True), walk(0, 30, turn=False)
    found = adapt_guarded(*made, changed)
    assert found.kept_base
    assert found.trial is not None
    assert found.trial.cases == 10
    assert found.trial.base < 0.01 < found.trial.adapted
    assert found.trial.errors.abs().max() < 0.1  # of the model that is kept
    query = walk(1, 8, turn=False)
    nobody = solve(*made, Task(Examples(*(t[:0] for t in changed)), query))
    assert torch.equal(torch.from_numpy(as_guarded_predictor(*made)([Task(changed, query)])[0]), nobody)
    assert not adapt_guarded(*made, steady._replace(y=3 * steady.y + 1)).kept_base
    assert np.array_equal(
        as_guarded_predictor(*made)([Task(steady._replace(y=3 * steady.y + 1), query)])[0],
        as_predictor(*made, way="loop")([Task(steady._replace(y=3 * steady.y + 1), query)])[0],
    )


def test_what_is_held_back_is_the_latest_third_and_a_gap_lies_before_it() -> None:
    """The target is only wrong where the gap is: without one, adapting to it does harm."""
    support = walk(0, 30, turn=False)
    y = support.y.clone()
    y[14:20] = 100.0
    made = ridge(Ridge(penalty=0.01, carry=True))
    without, with_gap = (try_adapting(*made, support._replace(y=y), gap=gap) for gap in (0, 6))
    assert without is not None
    assert with_gap is not None
    assert not without.helps
    assert with_gap.adapted < 0.01


def test_too_few_cases_are_adapted_to_untried() -> None:
    found = adapt_guarded(*ridge(Ridge(carry=True)), walk(0, 5, turn=True))
    assert found.trial is None
    assert not found.kept_base


def test_a_classifier_of_fixed_classes_and_one_without_a_base() -> None:
    support = walk(0, 30, turn=True)
    labels = make_examples(support.x, (support.y[:, 0] > 0).long(), 2)
    assert try_adapting(*ridge(LogisticRegression()), labels) is None
    torch.manual_seed(0)
    trial = try_adapting(*ridge(MAML(MLP(3, 2, (8,)))), labels)
    assert trial is None or trial.cases == 10
