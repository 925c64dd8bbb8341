"""Base networks, and how any module becomes a pure function."""

from metadx.learners.backbone import (
    BACKBONES,
    EfficientNetLite0,
    EfficientNetLite0Front,
    EfficientNetLite0Stages,
    Embedding,
)
from metadx.learners.convnet import ConvNet
from metadx.learners.convolve import leaves_to_torch
from metadx.learners.efficientnet import EfficientNet, EfficientNetTail
from metadx.learners.functional import Functional, Reference, Tensors
from metadx.learners.grud import GatedDecayNet
from metadx.learners.mlp import MLP
from metadx.learners.norm import (
    BatchNorm,
    KeptNorm,
    LayerNorm,
    keep_statistics,
    replace_layers,
    statistics_from,
)
from metadx.learners.once import last_derivative
from metadx.learners.precision import networks_dtype, networks_in
from metadx.learners.probe import output_width
from metadx.learners.registry import NamedSettings, build_learner, choose_learner, refuse_unknown
from metadx.learners.signalmlp import SignalMLP
from metadx.learners.signalnet import SignalNet
from metadx.learners.tcn import TemporalConvNet

__all__ = [
    "BACKBONES",
    "MLP",
    "BatchNorm",
    "ConvNet",
    "EfficientNet",
    "EfficientNetLite0",
    "EfficientNetLite0Front",
    "EfficientNetLite0Stages",
    "EfficientNetTail",
    "Embedding",
    "Functional",
    "GatedDecayNet",
    "KeptNorm",
    "LayerNorm",
    "NamedSettings",
    "Reference",
    "SignalMLP",
    "SignalNet",
    "TemporalConvNet",
    "Tensors",
    "build_learner",
    "choose_learner",
    "keep_statistics",
    "last_derivative",
    "leaves_to_torch",
    "networks_dtype",
    "networks_in",
    "output_width",
    "refuse_unknown",
    "replace_layers",
    "statistics_from",
]
