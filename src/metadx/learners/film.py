"""Feature-wise linear modulation: a few context parameters that scale and shift what one layer puts out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from metadx.errors import UserError
from metadx.learners.norm import BatchNorm, replace_layers

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (BatchNorm, nn.LayerNorm, nn.GroupNorm)
_KINDS = (nn.Linear, *_CONVOLUTIONS, *_NORMS)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)

CONTEXT, SHIFT, SCALE = "context", "context_shift", "context_scale"
"""What the tensors are called, below the name of their layer: a buffer of zeros, and two parameters."""


def modulated(module: nn.Module, layer: str, size: int) -> tuple[nn.Module, str]:
    """A copy of the module in which context parameters change the output of one layer, and that layer's name.

    The output of a convolution or a norm of channels is scaled and shifted by linear maps of the context; that of a
    linear layer is shifted, which is the same as joining the context to its inputs. Nothing changes while the
    context is 0, which it is.

    Args:
        module: the network.
        layer: name of the layer, as in `named_modules`; chosen by `layer_to_modulate` where empty.
        size: number of context parameters.

    Raises:
        UserError: there is no such layer, or none that has channels.

    References:
        Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018.
    """
    module = replace_layers(copy.deepcopy(module))
    known: dict[str, Any] = {
        name: m for name, m in module.named_modules() if isinstance(m, _KINDS) and m.weight is not None
    }
    layer = layer or layer_to_modulate(known)
    if layer not in known:
        raise UserError(
            f"layer must name a linear layer, a convolution or a norm with weights, not {layer!r}; the network has "
            f"{', '.join(known) or 'none'}"
        )
    chosen = known[layer]
    chosen.register_buffer(CONTEXT, chosen.weight.new_zeros(size))
    for name in (SHIFT,) if isinstance(chosen, _CHANNELS_LAST) else (SHIFT, SCALE):
        chosen.register_parameter(name, nn.Parameter(chosen.weight.new_zeros(len(chosen.weight), size)))
    chosen.register_forward_hook(_modulate)
    return module, layer


def layer_to_modulate(layers: Mapping[str, nn.Module]) -> str:
    """The first linear layer; where there are convolutions the third of these, or the last of fewer.

    The norm right behind it stands for it, because a batch norm would undo what comes before it.

    Args:
        layers: those there are, in order.
    """
    names = list(layers)
    convolutions = [name for name in names if isinstance(layers[name], _CONVOLUTIONS)]
    linear = [name for name in names if isinstance(layers[name], nn.Linear)]
    if not convolutions and not linear:
        return ""
    chosen = (convolutions[:3] or linear[:1])[-1]
    behind = names[names.index(chosen) + 1 :][:1]
    return next((name for name in behind if isinstance(layers[name], _NORMS)), chosen)


def _modulate(layer: Any, _: Any, out: Tensor) -> Tensor:
    """The layer's output, changed by its context."""
    shift: Tensor = layer.context_shift @ layer.context
    if isinstance(layer, _CHANNELS_LAST):
        return out + shift
    column = (1, -1) + (1,) * (out.dim() - 2)
    scale: Tensor = 1 + layer.context_scale @ layer.context
    return out * scale.view(column) + shift.view(column)
