"""Splits of task sources: iterated the same every time, and sharing nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from contracts.cases import make_cases
from metadx.errors import UserError
from metadx.tasks import ConditionSource, MetaDataset, MetaSplits, Shape, SinusoidSource, Split, TaskSource


def source(first: int, prefix: str = "p", name: str = "s") -> ConditionSource:
    """Three conditions numbered from `first`, with ten patients each."""
    names = [f"condition {first + i}" for i in range(3)]
    patients = [f"{prefix}{first}-{i}" for i in range(30)]
    return ConditionSource(make_cases([i % 3 for i in range(30)], patients, names), name=name)


def dataset(split: Split, *sources: TaskSource, **options: object) -> MetaDataset:
    shape = Shape(ways=(2, 3), shots=(1, 2), query=3)
    return MetaDataset(split, sources, shape, batch_size=3, batches=4, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    data, again = (dataset("train", source(0), source(3), seed=5) for _ in range(2))
    first, second = list(data), list(again)
    assert len(first) == len(data) == 4
    for a, b in zip(first, second, strict=True):
        assert a.keys() == {"data", "labels", "mask", "query_data", "query_labels", "query_mask"}
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(first[0]["data"][0, 0], first[1]["data"][0, 0])
    other = next(iter(dataset("train", source(0), source(3), seed=6)))
    assert not torch.equal(first[0]["data"][0, 0], other["data"][0, 0])


def test_another_pass_draws_new_tasks_in_training_and_the_same_ones_elsewhere() -> None:
    training, held_out = dataset("train", source(0)), dataset("test", source(0))
    assert not torch.equal(next(iter(training))["data"], next(iter(training))["data"])
    for a, b in zip(held_out, held_out, strict=True):
        assert torch.equal(a["data"], b["data"])


def test_a_batch_has_tasks_first_and_whole_number_labels() -> None:
    data = dataset("train", source(0))
    batch = next(iter(data))
    task = data.sample(np.random.default_rng(data.seed), data.batch_size)
    assert len(batch["data"]) == data.batch_size
    for part, prefix in zip(task, ("", "query_"), strict=True):
        assert torch.equal(batch[f"{prefix}data"], part.x)
        assert torch.equal(batch[f"{prefix}mask"], part.mask)
        real = part.mask > 0
        assert torch.equal(batch[f"{prefix}labels"][real], part.y.argmax(-1)[real])


def test_a_subclass_brings_its_own_sources() -> None:
    class Mine(MetaDataset):
        def sources(self) -> Sequence[TaskSource]:
            return [SinusoidSource()]

    batch = next(iter(Mine("train", shape=Shape(shots=4, query=6), batch_size=2)))
    assert batch["data"].shape == (2, 4, 1)
    assert batch["query_labels"].shape == (2, 6, 1)


def test_weights_say_how_often_a_source_is_drawn_from(rng: np.random.Generator) -> None:
    data = dataset("train", source(0, name="often"), source(3, name="seldom"), weights=[9, 1])
    names = [data.draw(rng)[0].name for _ in range(500)]
    assert 0.85 < names.count("often") / 500 < 0.95


def test_a_split_without_sources_or_of_no_known_name_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match="train split has no task source"):
        dataset("train").sample(rng, 1)
    with pytest.raises(UserError, match="'holdout'"):
        dataset("holdout", source(0))  # type: ignore[arg-type]


def test_splits_that_share_nobody_are_accepted() -> None:
    splits = MetaSplits(
        dataset("train", source(0)),
        dataset("validation", source(3)),
        dataset("test", source(6), SinusoidSource()),
    )
    assert splits.description == {}


SEEN_BEFORE = ConditionSource(make_cases([0, 0, 1, 1], ["p0-7", "x", "y", "z"], ["other", "another"]))


@pytest.mark.parametrize(
    ("what", "validation", "test"),
    [
        ("patient", SEEN_BEFORE, source(6)),
        ("patient", source(6), SEEN_BEFORE),
        ("condition", source(0, "q"), source(6)),
        ("condition", source(6), source(6, "q")),
    ],
)
def test_a_shared_patient_or_condition_is_refused_by_name(
    what: str, validation: TaskSource, test: TaskSource
) -> None:
    parts = dataset("train", source(0)), dataset("validation", validation), dataset("test", test)
    with pytest.raises(UserError, match=rf"\d+ {what}s are in both") as caught:
        MetaSplits(*parts)
    assert re.search(r"p0-7" if what == "patient" else r"condition \d", str(caught.value))
