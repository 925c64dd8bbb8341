"""Tasks as tensors: padding and its undoing; and the sinusoids of the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.examples import draw_task, ragged
from metadx.tasks import Shape, SinusoidSource, Task, make_examples, present, stack, unstack


@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=1, max_size=4),
    shape=st.sampled_from([(3,), (1, 2, 2)]),
)
@settings(max_examples=60)
def test_stacking_pads_and_unstacking_keeps_every_real_case(
    seed: int, sizes: list[tuple[int, int, int]], shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    tasks = [draw_task(rng, shape, ways + 1, shots, query) for ways, shots, query in sizes]
    back = unstack(stack(tasks))
    assert len(back) == len(tasks)
    for task, padded in zip(tasks, back, strict=True):
        assert padded.ways == max(t.ways for t in tasks)
        assert present(padded.support).tolist() == [1.0] * task.ways + [0.0] * (padded.ways - task.ways)
        for part, same in zip(task, padded, strict=True):
            n = len(part.x)
            assert torch.equal(same.x[:n], part.x)
            assert torch.equal(same.y[:n, : task.ways], part.y)
            assert torch.equal(same.mask[:n], part.mask)
            assert not any(t[n:].any() for t in same)
            assert not same.y[:, task.ways :].any()


def test_stacking_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one task"):
        stack([])


def test_tasks_change_precision_together(rng: np.random.Generator) -> None:
    task = stack(ragged(rng, (3,))).to(dtype=torch.float32)
    assert isinstance(task, Task)
    assert {t.dtype for part in task for t in part} == {torch.float32}


def test_examples_are_one_hot() -> None:
    examples = make_examples(torch.zeros(3, 2).double(), torch.tensor([2, 0, 2]), 4)
    assert examples.y.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert {t.dtype for t in examples} == {torch.float64}


def test_sinusoids_are_drawn_as_published(rng: np.random.Generator) -> None:
    source = SinusoidSource()
    episodes = [source.draw(rng, Shape(shots=(5, 10), query=7)) for _ in range(500)]
    amplitude, phase = (np.array([getattr(e, name) for e in episodes]) for name in ("amplitude", "phase"))
    points = np.concatenate([e.support + e.query for e in episodes])

    for values, low, high in ((amplitude, 0.1, 5.0), (phase, 0.0, math.pi), (points, -5.0, 5.0)):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    assert {len(e.support) for e in episodes} == set(range(5, 11))
    assert {len(e.query) for e in episodes} == {7}


def test_a_sinusoid_task_is_the_sine_of_its_episode(rng: np.random.Generator) -> None:
    source = SinusoidSource()
    episode = source.draw(rng, Shape(shots=10, query=20))
    again = type(episode).model_validate_json(episode.model_dump_json())
    for part, same in zip(source.task(episode), source.task(again), strict=True):
        expected = episode.amplitude * torch.sin(part.x - episode.phase)
        torch.testing.assert_close(part.y, expected, rtol=1e-4, atol=1e-5)
        assert all(torch.equal(a, b) for a, b in zip(part, same, strict=True))
