"""Feature-wise linear modulation: a few context parameters that scale and shift what one layer puts out."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from metadx.errors import UserError
from metadx.learners.norm import BatchNorm, LayerNorm, replace_batch_norm

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (BatchNorm, LayerNorm, nn.LayerNorm, nn.GroupNorm)
_CHANNELS_LAST = (nn.Linear, LayerNorm, nn.LayerNorm)

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
        UserError: there is no such layer, or it has no channels.

    References:
        Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018.
    """
    module = replace_batch_norm(copy.deepcopy(module))
    layer = layer or layer_to_modulate(module)
    chosen: Any = dict(module.named_modules()).get(layer)
    if not isinstance(chosen, (*_CONVOLUTIONS, *_NORMS, nn.Linear)):
        known = [
            name for name, m in module.named_modules() if isinstance(m, (*_CONVOLUTIONS, *_NORMS, nn.Linear))
        ]
        raise UserError(
            f"layer must name a linear layer, a convolution or a norm, not {layer!r}; the network has "
            f"{', '.join(known) or 'none'}"
        )
    if chosen.weight is None:
        raise UserError(
            f"layer {layer!r} has no weights, so its channels are unknown; choose the one before it"
        )
    chosen.register_buffer(CONTEXT, chosen.weight.new_zeros(size))
    maps = (SHIFT,) if isinstance(chosen, _CHANNELS_LAST) else (SHIFT, SCALE)
    for name in maps:
        chosen.register_parameter(name, nn.Parameter(chosen.weight.new_zeros(len(chosen.weight), size)))
    chosen.register_forward_hook(_modulate)
    return module, layer


def layer_to_modulate(module: nn.Module) -> str:
    """The first linear layer; in networks with convolutions the third of these, or the last of fewer.

    The norm right behind it stands for it, because a batch norm would undo what comes before it.
    """
    leaves: list[tuple[str, Any]] = [pair for pair in module.named_modules() if not any(pair[1].children())]
    layers = [at for at, (_, m) in enumerate(leaves) if isinstance(m, nn.Linear)]
    convolutions = [at for at, (_, m) in enumerate(leaves) if isinstance(m, _CONVOLUTIONS)]
    at = convolutions[:3][-1] if convolutions else next(iter(layers), None)
    if at is None:
        return ""
    [(name, _), *behind] = leaves[at : at + 2]
    return next((n for n, m in behind if isinstance(m, _NORMS) and m.weight is not None), name)


def _modulate(layer: Any, _: Any, out: Tensor) -> Tensor:
    """The layer's output, changed by its context."""
    shift: Tensor = layer.context_shift @ layer.context
    if isinstance(layer, _CHANNELS_LAST):
        return out + shift
    column = (1, -1) + (1,) * (out.dim() - 2)
    scale: Tensor = 1 + layer.context_scale @ layer.context
    return out * scale.view(column) + shift.view(column)
