"""Evaluation episodes of Herlev's Pap smears, for metadx and for easyfsl; needs METADX_DATA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from metadx.studies.problem import read_cases, transform_of
from metadx.studies.recipe import DataSettings
from metadx.tasks import ConditionSource, Shape
from metadx.tasks.conditions import ConditionEpisode
from networks import embedding

SHAPE = Shape(ways=5, shots=5, query=15)
SIDE = 64
_DATA = DataSettings(
    name="herlev", size=SIDE, channels=3, allow_unverified=True, patients="every case is a different patient"
)


def source() -> ConditionSource:
    """All seven kinds of cells, 64 x 64."""
    cases = read_cases(_DATA)
    return ConditionSource(cases, transform_of(cases, _DATA), "herlev")


def episodes(source: ConditionSource, number: int) -> list[ConditionEpisode]:
    """The same ones every time."""
    rng = np.random.default_rng(0)
    return [source.draw(rng, SHAPE) for _ in range(number)]


def backbone(source: ConditionSource) -> nn.Module:
    """A random conv4 whose batch norms have kept statistics of the pictures, in evaluation mode.

    How well it embeds changes neither side's time nor whether both say the same.
    """
    torch.manual_seed(0)
    network = embedding(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics are those of all that was seen
    with torch.no_grad():
        network(source.inputs(np.random.default_rng(0).permutation(len(source.cases))[:128]))
    return network.eval()


def write_evaluation(file: Path, number: int) -> None:
    """Pictures, labels, episodes and weights as plain arrays, for those who cannot read metadx's."""
    cells = source()
    drawn = episodes(cells, number)
    network = backbone(cells)
    arrays = {f"weight{i:02d}": tensor.numpy() for i, tensor in enumerate(network.state_dict().values())}
    np.savez(
        file,
        pictures=cells.inputs(np.arange(len(cells.cases))).numpy(),
        labels=cells.cases.y,
        support=np.array([e.support for e in drawn]),
        query=np.array([e.query for e in drawn]),
        **arrays,
    )
