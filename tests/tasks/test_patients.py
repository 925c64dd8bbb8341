"""Tasks by patient: support is earlier than query, and nothing reaches across."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.cases import make_cases
from metadx.cases import Cases
from metadx.errors import UserError
from metadx.tasks import PatientSource, Shape, stack


def followed(patients: int = 4, visits: int = 20, seed: int = 0, *, values: bool = False) -> Cases:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), visits)
    order = rng.permutation(len(owner))
    cases = make_cases(rng.integers(0, 3, len(owner)).tolist(), [f"p{i}" for i in owner], ["a", "b", "c"])
    time = rng.uniform(0, 100, len(owner))
    if values:
        cases = replace(cases, y=rng.normal(size=len(owner)), classes=())
    return replace(cases, time=time).select(order)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), before=st.floats(0, 5), after=st.floats(0, 5), history=st.floats(11, 200))
def test_nothing_reaches_across_the_origin(seed: int, before: float, after: float, history: float) -> None:
    cases = replace(followed(seed=seed), reach=(before, after))
    source = PatientSource(cases, history)
    episode = source.draw(np.random.default_rng(seed), Shape(shots=(1, 8), query=3))
    assert cases.time is not None
    support, query = (np.array(rows) for rows in (episode.support, episode.query))
    assert {*cases.patient[support], *cases.patient[query]} == {episode.patient}
    assert cases.time[support].max() + after < cases.time[query].min() - before + 1e-9
    assert np.ptp(cases.time[support]) <= history
    for rows in (support, query):
        assert (np.diff(cases.time[rows]) >= 0).all()
        assert np.bincount(cases.y[rows]).max() <= 8


def test_the_whole_of_a_patient() -> None:
    cases = replace(followed(), reach=(1.0, 2.0))
    source = PatientSource(cases, 30)
    episode = source.whole("p1")
    assert cases.time is not None
    mine = cases.time[cases.patient == "p1"]
    origin = mine.min() - 1 + 30
    assert sorted(cases.time[list(episode.support)]) == sorted(mine[mine + 2 < origin])
    assert sorted(cases.time[list(episode.query)]) == sorted(mine[mine - 1 >= origin])
    assert source.whole("p1", 0).support == ()
    assert len(source.whole("p1", 0).query) == 20
    with pytest.raises(UserError, match="no patient 'p9'"):
        source.whole("p9")
    with pytest.raises(UserError, match="nothing of patient p1 is later"):
        source.whole("p1", 1000)


def test_ways_are_the_classes_whatever_the_support_set_holds() -> None:
    source = PatientSource(followed(), 50)
    tasks = [
        source.task(source.draw(np.random.default_rng(seed), Shape(shots=2, query=2))) for seed in range(9)
    ]
    assert {task.ways for task in tasks} == {3}
    assert {int(task.support.y.sum(0).gt(0).sum()) for task in tasks} - {3}
    assert stack(tasks).support.y.shape[-1] == 3
    assert source.conditions() == frozenset()


def test_values_are_targets() -> None:
    cases = followed(values=True)
    source = PatientSource(cases, 50)
    assert not source.classification
    episode = source.whole("p0")
    task = source.task(episode)
    assert torch.allclose(
        task.query.y[:, 0].double(), torch.from_numpy(cases.y[list(episode.query)]), atol=1e-6
    )


def test_the_same_seed_draws_the_same_episode() -> None:
    source = PatientSource(followed(), 50)
    a, b = (source.draw(np.random.default_rng(3), Shape(shots=2)) for _ in range(2))
    assert a == b


def test_what_cannot_be_a_task_by_patient_is_refused() -> None:
    with pytest.raises(UserError, match="need the time of every case"):
        PatientSource(replace(followed(), time=None), 10)
    with pytest.raises(UserError, match="history must be above the reach of a case, 0, not 0"):
        PatientSource(followed(), 0)
    with pytest.raises(UserError, match="no patient has cases both before and after"):
        PatientSource(followed(visits=1), 10)


def test_the_first_cases_of_a_patient() -> None:
    cases = replace(followed(), reach=(3.0, 2.0))
    source = PatientSource(cases, 30)
    assert cases.time is not None
    assert source.with_first(5) == ["p0", "p1", "p2", "p3"]
    assert source.with_first(20) == []
    for count in (1, 5, 12):
        episode = source.first("p2", count)
        assert len(episode.support) == count
        support, query = (cases.time[list(rows)] for rows in (episode.support, episode.query))
        assert support.tolist() == sorted(cases.time[cases.patient == "p2"])[:count]
        assert support.max() + 2 < query.min() - 3 + 1e-9
    with pytest.raises(UserError, match="patient 'p2' has not 20 cases and one after them"):
        source.first("p2", 20)


def test_dates_are_days() -> None:
    cases = followed()
    assert cases.time is not None
    days = np.datetime64("2024-01-01") + np.round(cases.time * 24 * 60).astype("timedelta64[m]")
    source = PatientSource(replace(cases, time=days, reach=(1.0, 2.0)), 30)
    plain = PatientSource(replace(cases, time=np.round(cases.time * 1440) / 1440, reach=(1.0, 2.0)), 30)
    assert source.first("p1", 6) == plain.first("p1", 6)
