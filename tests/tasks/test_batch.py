"""Pictures stay in bytes until a batch is finished, and become what they always were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from contracts.cases import make_cases
from metadx.cases import Cases, fit_transform
from metadx.tasks import (
    ConditionSource,
    Examples,
    MetaDataset,
    Shape,
    SinusoidSource,
    Task,
    augmentations,
    stack,
)
from metadx.training import pooled_cases

SHAPE = Shape(ways=2, shots=(1, 3), query=(1, 4))


def pictures(prefix: str = "p", seed: int = 0, dtype: type = np.uint8) -> Cases:
    cases = make_cases([i % 3 for i in range(36)], [f"{prefix}{i}" for i in range(36)], list("abc"))
    x = np.random.default_rng(seed).integers(0, 256, (36, 1, 5, 4)).astype(dtype)
    return replace(cases, x=x, modality="image", features=())


def test_bytes_become_the_very_floats_of_the_transform() -> None:
    cases = pictures()
    source = ConditionSource(cases)
    every = np.arange(len(cases))
    golden = cases.x.astype(np.float32) / np.float32(255)
    assert source.kept(every).dtype == torch.uint8
    assert source.inputs(every).numpy().tobytes() == golden.tobytes()
    assert fit_transform(cases)(cases.x).tobytes() == golden.tobytes()


@pytest.mark.parametrize("kind", ["one source", "two", "bytes and floats", "pictures and functions"])
def test_a_batch_is_its_tasks_stacked(kind: str) -> None:
    sources = {
        "one source": [ConditionSource(pictures())],
        "two": [ConditionSource(pictures()), ConditionSource(pictures("q", 1))],
        "bytes and floats": [ConditionSource(pictures()), ConditionSource(pictures("q", 1, np.float32))],
        "pictures and functions": [SinusoidSource(), SinusoidSource()],
    }[kind]
    dataset = MetaDataset("train", sources, SHAPE)
    a, b = np.random.default_rng(2), np.random.default_rng(2)
    for _ in range(5):
        batch = dataset.sample(a, 4)
        drawn = list(dataset._drawn(b, 4, SHAPE))
        apart = stack([one.source.task(one.episode) for one in drawn])
        for one, other in zip(batch, apart, strict=True):
            for x, y in zip(one, other, strict=True):
                assert x.dtype == y.dtype
                assert torch.equal(x, y)
    assert a.bit_generator.state == b.bit_generator.state


class Whole:
    """A source of one's own making, whose tasks have inputs and no numbers of cases."""

    name, classification = "whole", True

    def __init__(self, source: ConditionSource, change: Callable[[Examples], Examples]) -> None:
        self.input_shape, self._task, self._change = source.input_shape, source.task, change
        self.patients, self.conditions, self.draw = source.patients, source.conditions, source.draw

    def task(self, episode: Any) -> Task:
        return Task(*map(self._change, self._task(episode)))


def test_padding_of_a_sources_own_is_not_changed() -> None:
    source = Whole(
        ConditionSource(pictures()), lambda part: part._replace(mask=part.mask * (torch.arange(4) < 3))
    )
    change = augmentations(["flip", "intensity"], ["crop"], source.input_shape)
    dataset = MetaDataset("train", [source], Shape(ways=2, shots=2, query=2), augment=change)
    batch = dataset.sample(np.random.default_rng(0), 3)
    assert batch.support.mask.sum() == 9
    assert not batch.support.x[:, -1].any()


def test_bytes_that_are_a_sources_own_inputs_stay_bytes() -> None:
    source = Whole(ConditionSource(pictures()), lambda part: part._replace(x=(255 * part.x).byte()))
    dataset = MetaDataset("train", [source], SHAPE)
    assert dataset.sample(np.random.default_rng(0), 3).support.x.dtype == torch.uint8
    assert dataset.tasks(1)[0].support.x.dtype == torch.uint8


def test_drawing_gives_copies() -> None:
    cases = pictures()
    source = ConditionSource(cases)
    before = cases.x.copy()
    source.kept(np.arange(4)).zero_()
    MetaDataset("train", [source], SHAPE).draw_batch(np.random.default_rng(0), 2).on("cpu").support.x.zero_()
    assert np.array_equal(cases.x, before)


def test_pooled_cases_of_several_kinds_are_inputs() -> None:
    sources = [ConditionSource(pictures()), ConditionSource(pictures("q", 1, np.float32))]
    batch = pooled_cases(MetaDataset("train", sources, SHAPE)).draw_batch(np.random.default_rng(0), 50)
    assert batch.parts[0].examples.x.dtype == torch.float32
    only = pooled_cases(MetaDataset("train", sources[:1], SHAPE)).draw_batch(np.random.default_rng(0), 50)
    assert only.parts[0].examples.x.dtype == torch.uint8
    assert only.on("cpu").x.max() <= 1


def test_a_pinned_batch_is_the_same_and_pinned_throughout(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ConditionSource(pictures())
    change = augmentations(["flip", "intensity"], [], source.input_shape)
    batch = MetaDataset("train", [source], SHAPE, augment=change).draw_batch(np.random.default_rng(0), 2)
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    for one, other in zip(batch.pinned().on("cpu"), batch.on("cpu"), strict=True):
        assert torch.equal(one.x, other.x)
    assert len(pinned) == 2 * 3 + 2
