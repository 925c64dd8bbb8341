"""ProtoNet over many episodes, as easyfsl's tutorial evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from networks import embedding
from stand_in import stand_in

stand_in("torchvision")
from easyfsl.methods import PrototypicalNetworks  # noqa: E402
from easyfsl.samplers import TaskSampler  # noqa: E402
from easyfsl.utils import evaluate  # noqa: E402


class Pictures(TensorDataset):
    """Pictures in memory, with their labels."""

    def get_labels(self) -> list[int]:
        return list(self.tensors[1].tolist())


class Episodes(TaskSampler):
    """Episodes drawn before, instead of random ones."""

    given: list[list[int]]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.given)


def evaluation(file: Path) -> Callable[[], float]:
    """From episodes to their mean accuracy."""
    with np.load(file) as arrays:
        weights = [torch.from_numpy(arrays[key]) for key in arrays if key.startswith("weight")]
        support, query = arrays["support"], arrays["query"]
        pictures = Pictures(torch.from_numpy(arrays["pictures"]), torch.from_numpy(arrays["labels"]).long())
    number, ways, shots = support.shape
    sampler = Episodes(pictures, n_way=ways, n_shot=shots, n_query=query.shape[-1], n_tasks=number)
    sampler.given = np.concatenate([support, query], -1).reshape(number, -1).tolist()
    loader: DataLoader[tuple[Tensor, ...]] = DataLoader(
        pictures, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn
    )
    network = embedding(pictures.tensors[0].shape[1])
    network.load_state_dict(dict(zip(network.state_dict(), weights, strict=True)))
    classifier = PrototypicalNetworks(network)
    return lambda: float(evaluate(classifier, loader, device="cpu", use_tqdm=False))
