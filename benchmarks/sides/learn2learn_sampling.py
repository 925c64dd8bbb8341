"""Episodes as learn2learn draws them in its examples/vision/maml_omniglot.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset

from drawing import SHAPE
from stand_in import stand_in

stand_in("torchvision")
import learn2learn  # noqa: E402
from learn2learn.data.transforms import (  # noqa: E402
    ConsecutiveLabels,
    FusedNWaysKShots,
    LoadData,
    RemapLabels,
)

_TASKS = 20_000  # the example's


def drawing(file: Path) -> Callable[[int], int]:
    """From a number of episodes to how many cases they held."""
    with np.load(file) as arrays:
        pictures = torch.from_numpy(arrays["pictures"]).float() / 255
        labels = torch.from_numpy(arrays["labels"])
    ways, shots, query = SHAPE
    dataset = learn2learn.data.MetaDataset(TensorDataset(pictures, labels))
    transforms = [
        FusedNWaysKShots(dataset, n=ways, k=shots + query),
        LoadData(dataset),
        RemapLabels(dataset),
        ConsecutiveLabels(dataset),
    ]
    tasks = learn2learn.data.Taskset(dataset, transforms, num_tasks=_TASKS)

    def run(number: int) -> int:
        cases = 0
        for _ in range(number):
            data, target = tasks.sample()
            adapting = np.zeros(data.size(0), dtype=bool)
            adapting[np.arange(shots * ways) * 2] = True
            known = torch.from_numpy(adapting)
            parts = data[known], target[known], data[~known], target[~known]
            cases += len(parts[0]) + len(parts[2])
        return cases

    return run
