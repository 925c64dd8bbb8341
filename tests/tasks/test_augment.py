from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.cases import make_cases
from metadx.errors import UserError
from metadx.tasks import (
    AUGMENTATIONS,
    Augment,
    Augments,
    ConditionSource,
    MetaDataset,
    Shape,
    Task,
    augmentation,
    augmentations,
)
from metadx.training import pooled_cases


def pictures(side: tuple[int, int] = (8, 8)) -> ConditionSource:
    cases = make_cases([i % 2 for i in range(20)], [f"p{i}" for i in range(20)], ["a", "b"])
    x = np.random.default_rng(0).integers(0, 256, (20, 3, *side), dtype=np.uint8)
    return ConditionSource(replace(cases, x=x, modality="image", features=()))


def some(side: tuple[int, int] = (9, 9)) -> Tensor:
    return torch.rand(40, 3, *side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [(9, 9), (6, 11)])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_pictures_change_and_keep_their_shape(name: str, side: tuple[int, int]) -> None:
    x = some(side)
    before = x.clone()
    augment = augmentation([name], x.shape[1:])
    assert augment is not None
    out = augment(x, np.random.default_rng(0))
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert 0 <= out.min() <= out.max() <= 1
    assert not torch.equal(out, x)
    assert torch.equal(x, before)
    assert torch.equal(out, augment(x, np.random.default_rng(0)))
    assert (out - x).abs().mean() < 0.5


@pytest.mark.parametrize("name", ["flip", "rotate"])
def test_moved_pixels_are_the_same_pixels(name: str) -> None:
    x = some()
    out = AUGMENTATIONS[name](x, np.random.default_rng(1))
    assert torch.equal(out.flatten(1).sort(-1).values, x.flatten(1).sort(-1).values)


def test_every_case_is_changed_by_itself() -> None:
    x = some()[:1].expand(40, -1, -1, -1)
    for name, change in AUGMENTATIONS.items():
        out = change(x, np.random.default_rng(2))
        assert len({tuple(picture.flatten().tolist()) for picture in out}) > 1, name


def test_a_tilt_keeps_the_middle_and_a_crop_enlarges() -> None:
    disc = torch.zeros(20, 1, 33, 33)
    disc[:, :, 14:19, 14:19] = 1
    tilted = AUGMENTATIONS["tilt"](disc, np.random.default_rng(0))
    assert (tilted[:, 0, 16, 16] > 0.99).all()
    cropped = AUGMENTATIONS["crop"](torch.ones(20, 1, 8, 8), np.random.default_rng(0))
    assert torch.allclose(cropped, torch.ones(()))
    larger = AUGMENTATIONS["crop"](disc, np.random.default_rng(0)).sum((1, 2, 3))
    assert (larger > disc.sum((1, 2, 3)) * 0.99).all()
    assert larger.max() > 1.3 * disc[0].sum()


def test_bad_names_and_inputs() -> None:
    assert augmentation([], (3,)) is None
    with pytest.raises(UserError, match=r"unknown augmentation 'rotat'.*rotate"):
        augmentation(["rotat"], (3, 8, 8))
    with pytest.raises(UserError, match="change pictures, not inputs of shape"):
        augmentation(["flip"], (12,))


def test_only_what_is_drawn_for_training_is_changed() -> None:
    source = pictures()
    shape = Shape(ways=2, shots=2, query=2)
    plain = MetaDataset("train", [source], shape)
    changed = MetaDataset(
        "train", [source], shape, augment=augmentation(["flip", "intensity"], source.input_shape)
    )
    for a, b in zip(plain.tasks(3), changed.tasks(3), strict=True):
        assert torch.equal(a.support.x, b.support.x)
    drawn = [dataset.sample(np.random.default_rng(0), 2) for dataset in (plain, changed)]
    assert not torch.equal(drawn[0].support.x, drawn[1].support.x)
    assert not torch.equal(drawn[0].query.x, drawn[1].query.x)
    pooled = [pooled_cases(dataset)(np.random.default_rng(0), 4) for dataset in (plain, changed)]
    assert torch.equal(pooled[0].y, pooled[1].y)
    assert not torch.equal(pooled[0].x, pooled[1].x)


@pytest.mark.parametrize("side", ["support", "query"])
def test_support_and_query_are_changed_separately(side: str) -> None:
    source = pictures()
    shape = Shape(ways=2, shots=2, query=2)
    names = {"support": [], "query": []} | {side: ["intensity"]}
    change = augmentations(names["support"], names["query"], source.input_shape)
    plain, changed = (
        MetaDataset("train", [source], shape, augment=augment).sample(np.random.default_rng(0), 1)
        for augment in (None, change)
    )
    for part in ("support", "query"):
        same = torch.equal(getattr(plain, part).x, getattr(changed, part).x)
        assert same == (part != side)
    assert augmentations([], [], (3,)) is None
    pooled = pooled_cases(MetaDataset("train", [source], shape, augment=change))
    untouched = pooled_cases(MetaDataset("train", [source], shape))
    x, y = (draw(np.random.default_rng(0), 4).x for draw in (pooled, untouched))
    assert torch.equal(x, y) == (side == "query")


EVERY = ["flip", "rotate", "tilt", "crop", "intensity"]
RAGGED = Shape(ways=2, shots=(1, 4), query=(1, 5))


def changed_one_by_one(dataset: MetaDataset, change: Augments, rng: np.random.Generator, size: int) -> Task:
    """The same batch by the plain way: each task is drawn, made of floats, changed, and only then stacked."""
    mine = MetaDataset("train", dataset.sources(), dataset.shape, augment=Augments(*(own(f) for f in change)))
    return mine.sample(rng, size)


def own(change: Augment | None) -> Augment | None:
    """A change of somebody's own, whose chance cannot be drawn apart."""
    return None if change is None else lambda x, rng: change(x, rng)


@pytest.mark.parametrize("side", [(8, 8), (6, 11)])
@pytest.mark.parametrize("shape", [Shape(ways=2, shots=2, query=2), RAGGED], ids=["even", "ragged"])
def test_a_batch_is_changed_together_as_its_tasks_are_one_by_one(shape: Shape, side: tuple[int, int]) -> None:
    source = pictures(side)
    change = augmentations(EVERY, ["tilt", "intensity"], source.input_shape)
    assert change is not None
    dataset = MetaDataset("train", [source], shape, augment=change)
    a, b = np.random.default_rng(4), np.random.default_rng(4)
    for _ in range(4):
        together, apart = dataset.sample(a, 3), changed_one_by_one(dataset, change, b, 3)
        for one, other in zip(together, apart, strict=True):
            assert torch.allclose(one.x, other.x, atol=1e-6)
            assert torch.equal(one.y, other.y)
            assert torch.equal(one.mask, other.mask)
            assert not one.x[one.mask == 0].any()
    assert a.bit_generator.state == b.bit_generator.state


def test_pictures_are_changed_on_the_device_where_they_are() -> None:
    source = pictures()
    change = augmentations(EVERY, EVERY, source.input_shape)
    dataset = MetaDataset("train", [source], RAGGED, augment=change)
    batch = dataset.draw_batch(np.random.default_rng(0), 3)
    assert all(part.examples.x.dtype == torch.uint8 for part in batch.parts)
    for part in batch.on("meta"):
        assert part.x.device == torch.device("meta")
        assert part.x.dtype == torch.float32
    cases = pooled_cases(dataset).draw_batch(np.random.default_rng(0), 4).on("meta")
    assert cases.x.device == torch.device("meta")
