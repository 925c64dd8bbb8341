"""The sinusoid regression tasks of Finn et al. 2017 (MAML), section 5.1."""

from __future__ import annotations

import math

import numpy as np
import torch

from metadx.tasks.source import Episode, Shape, draw_size
from metadx.tasks.task import Examples, Task


class SinusoidEpisode(Episode):
    """One sine wave and where it is observed: x in -5..5."""

    amplitude: float
    phase: float
    support: tuple[float, ...]
    query: tuple[float, ...]


class SinusoidSource:
    """Regression onto y = A sin(x - phase), A in 0.1..5, phase in 0..pi, x in -5..5.

    `shots` and `query` of the shape are numbers of points; `ways` does not apply.
    """

    name = "sinusoid"
    classification = False
    input_shape = (1,)

    def patients(self) -> frozenset[str]:
        return frozenset()

    def conditions(self) -> frozenset[str]:
        return frozenset()

    def draw(self, rng: np.random.Generator, shape: Shape) -> SinusoidEpisode:
        return SinusoidEpisode(
            amplitude=rng.uniform(0.1, 5.0),
            phase=rng.uniform(0.0, math.pi),
            support=tuple(rng.uniform(-5.0, 5.0, draw_size(rng, shape.shots)).tolist()),
            query=tuple(rng.uniform(-5.0, 5.0, draw_size(rng, shape.query)).tolist()),
        )

    def task(self, episode: SinusoidEpisode) -> Task:
        x = np.array(episode.support + episode.query)
        points = np.stack([x, episode.amplitude * np.sin(x - episode.phase)], axis=1).astype(np.float32)
        both, ones = torch.from_numpy(points), torch.ones(len(points))
        shots = len(episode.support)
        support, query = (
            Examples(both[part, :1], both[part, 1:], ones[part])
            for part in (slice(shots), slice(shots, None))
        )
        return Task(support, query)
