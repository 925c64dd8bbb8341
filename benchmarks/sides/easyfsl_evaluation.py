"""ProtoNet over many episodes, as easyfsl's tutorial evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from networks import embedding, filled
from stand_in import stand_in

stand_in("torchvision")
from easyfsl.methods import PrototypicalNetworks  # noqa: E402
from easyfsl.samplers import TaskSampler  # noqa: E402
from easyfsl.utils import evaluate  # noqa: E402


class Episodes(TaskSampler):
    """Episodes drawn before, instead of random ones; easyfsl's own constructor does not run on torch 2.13."""

    def __init__(self, support: NDArray[Any], query: NDArray[Any]) -> None:
        self.n_tasks, self.n_way, self.n_shot = support.shape
        self.n_query = query.shape[-1]
        self.given = np.concatenate([support, query], -1).reshape(self.n_tasks, -1).tolist()

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.given)


def evaluation(file: Path, part: int, parts: int) -> Callable[[], float]:
    """From every `parts`-th episode, the first being `part`, to their mean accuracy."""
    with np.load(file) as arrays:
        network = filled(embedding(3), arrays)
        sampler = Episodes(arrays["support"][part::parts], arrays["query"][part::parts])
        pictures = TensorDataset(
            torch.from_numpy(arrays["pictures"]), torch.from_numpy(arrays["labels"]).long()
        )
    loader: DataLoader[tuple[Tensor, ...]] = DataLoader(
        pictures, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn
    )
    classifier = PrototypicalNetworks(network)
    return lambda: float(evaluate(classifier, loader, device="cpu", use_tqdm=False))
