"""Episodes as easyfsl's tutorials draw them, in this process, with the pictures in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from drawing import SHAPE
from stand_in import stand_in

stand_in("torchvision")
from easyfsl.samplers import TaskSampler  # noqa: E402


class Episodes(TaskSampler):
    """easyfsl's own sampler; its constructor does not run on torch 2.13, what it does is done here."""

    def __init__(self, labels: list[int], number: int) -> None:
        self.n_way, self.n_shot, self.n_query = SHAPE
        self.n_tasks = number
        self.items_per_label: dict[int, list[int]] = {}
        for item, label in enumerate(labels):
            self.items_per_label.setdefault(label, []).append(item)


def drawing(file: Path) -> Callable[[int], int]:
    """From a number of episodes to how many cases they held."""
    with np.load(file) as arrays:
        pictures = torch.from_numpy(arrays["pictures"]).float() / 255
        labels = torch.from_numpy(arrays["labels"])
    dataset = TensorDataset(pictures, labels)
    known = labels.tolist()

    def run(number: int) -> int:
        sampler = Episodes(known, number)
        loader: DataLoader[tuple[Tensor, ...]] = DataLoader(
            dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn
        )
        return sum(len(support) + len(query) for support, _, query, _, _ in loader)

    return run
