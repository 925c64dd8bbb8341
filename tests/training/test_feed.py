"""What algorithms learn from."""

import numpy as np
import pytest
import torch

from metadx.algorithms import FineTune, ProtoNet
from metadx.cases import Cases, Provenance
from metadx.errors import UserError
from metadx.tasks import ConditionSource, MetaDataset, PatientSource, Shape, SinusoidSource, Task
from metadx.training import feed_for, pooled_cases, pooled_classes
from metadx.training.feed import draw
from training.making import dataset, network, separable


def test_tasks_for_what_learns_from_tasks_and_cases_for_what_learns_from_cases() -> None:
    rng = np.random.default_rng(0)
    assert isinstance(feed_for(ProtoNet(network(None)), dataset())(rng, 2), Task)
    cases = feed_for(FineTune(network(None), width=8, classes=6), dataset())(rng, 2)
    assert not isinstance(cases, Task)
    assert len(cases.x) == 2


def test_a_split_that_samples_in_its_own_way_is_asked() -> None:
    class Mine(MetaDataset):
        def sample(self, rng: np.random.Generator, tasks: int, shape: Shape | None = None) -> Task:
            return super().sample(np.random.default_rng(7), tasks, shape)

    given = dataset()
    feed = feed_for(ProtoNet(network(None)), Mine("train", given.sources(), given.shape))
    first, second = (draw(feed, np.random.default_rng(seed), 2) for seed in (0, 1))
    assert isinstance(first, Task)
    assert isinstance(second, Task)
    assert torch.equal(first.support.x, second.support.x)


def test_pooled_labels_name_the_condition_of_the_case_over_several_sources() -> None:
    sources = [ConditionSource(separable(3, 5, seed)) for seed in (1, 2)]
    pool = MetaDataset("train", sources, Shape(ways=2))
    assert pooled_classes(pool) == 6
    batch = pooled_cases(pool)(np.random.default_rng(0), 200)
    for x, y in zip(batch.x, batch.y.argmax(-1).tolist(), strict=True):
        source = sources[y // 3]
        own = source.inputs(np.flatnonzero(source.cases.y == y % 3))
        assert torch.isclose(own, x).all(1).any()


def test_a_split_without_conditions_cannot_be_pooled() -> None:
    sines = MetaDataset("train", [SinusoidSource()])
    with pytest.raises(UserError, match="no conditions to pool; use an algorithm that learns from tasks"):
        pooled_cases(sines)


def test_pooled_cases_of_weighted_sources_come_in_their_shares() -> None:
    def source(value: float, patients: int) -> PatientSource:
        patient = np.repeat([f"{value}/{i}" for i in range(patients)], 4)
        cases = Cases(
            x=np.random.default_rng(0).normal(size=(len(patient), 1, 4)),
            y=np.full(len(patient), int(value)),
            patient=patient,
            classes=("N", "V"),
            modality="signal",
            provenance=Provenance(source="made here"),
            time=np.tile(np.arange(4.0), patients),
        )
        return PatientSource(cases, 2.0)

    sources = [source(0.0, 2), source(1.0, 30)]
    for weights, share in (([0.9, 0.1], 0.1), (None, 30 / 32)):
        draw = pooled_cases(MetaDataset("train", sources, weights=weights))
        drawn = draw(np.random.default_rng(0), 4000).y
        assert drawn[:, 1].mean().item() == pytest.approx(share, abs=0.03)
