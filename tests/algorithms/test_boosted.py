"""What is left out to save time changes no tree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from metadx.algorithms import BoostedTrees, solve
from metadx.tasks import Task, make_examples


@pytest.mark.parametrize("constant", [(0, 3), (1, 2, 4), (0, 1, 2, 3, 4, 5)])
def test_columns_in_which_all_support_cases_are_alike_change_nothing(
    constant: tuple[int, ...], rng: np.random.Generator
) -> None:
    label = np.arange(30) % 3
    x = rng.normal(size=(60, 6)).round(1) + np.tile(label, 2)[:, None]
    x[:30, constant] = 1.0  # the query cases differ there
    support, query = (
        make_examples(torch.from_numpy(part), torch.from_numpy(label), 3) for part in (x[:30], x[30:])
    )
    plain = HistGradientBoostingClassifier(
        max_iter=15, learning_rate=0.3, min_samples_leaf=2, early_stopping=False, random_state=0
    ).fit(x[:30], label)
    found = torch.softmax(solve(BoostedTrees(), {}, {}, Task(support, query)), -1)
    np.testing.assert_allclose(found.numpy(), plain.predict_proba(x[30:]), rtol=1e-9)


def test_cases_of_one_condition_alone_make_it_certain(rng: np.random.Generator) -> None:
    x = torch.from_numpy(rng.normal(size=(9, 2)))
    support, query = (make_examples(part, torch.ones(len(part)).long(), 3) for part in (x[:5], x[5:]))
    found = torch.softmax(solve(BoostedTrees(), {}, {}, Task(support, query)), -1)
    assert torch.allclose(found, torch.tensor([0.0, 1.0, 0.0]).double().expand(4, 3))
