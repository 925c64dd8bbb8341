"""Convolution whose second derivatives cost what they must, for one task or for tasks with weights of their own.

PyTorch differentiates the gradient of a convolution by convolutions with kernels as large as the picture. Written
as the three convolutions that they are, second derivatives cost what gradients do. Under `vmap` PyTorch turns
weights of each task into one grouped convolution, which is slow on CPUs; here each task keeps a convolution of its
own there, and tasks that share their weights share one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from metadx.learners import columns
from metadx.learners.columns import Where
from metadx.learners.precision import as_products

_FEW = 36  # numbers that make an output
_LOOPING = {"cpu"}  # devices on which a convolution of pictures per task is faster than a grouped one


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Cross-correlation, twice differentiable.

    Args:
        x: shape (cases, channels, sides...).
        weight: shape (outputs, channels, kernel...).
        bias: shape (outputs,).
        stride, padding: of each side.
    """
    where = (tuple(stride), tuple(padding))
    x, bias = as_products(x, bias)
    if weight[0].numel() <= _FEW and x.dim() == 4 and not x.requires_grad:
        out = _by_columns(x, weight.to(x.dtype), where)
    else:
        out = _Convolve.apply(x.unsqueeze(0), weight.unsqueeze(0), where).squeeze(0)
    return out if bias is None else out + bias.view(-1, *(1,) * (weight.dim() - 2))


def _by_columns(x: Tensor, weight: Tensor, where: Where) -> Tensor:
    """The convolution as one product of matrices, where few numbers make an output and the input is given."""
    (down, right), (above, beside) = where
    padded = F.pad(x, (beside, beside, above, above))
    windows = padded.unfold(2, weight.shape[2], down).unfold(3, weight.shape[3], right)
    seen = windows.permute(0, 2, 3, 1, 4, 5).flatten(3)
    return (seen @ weight.flatten(1).mT).permute(0, 3, 1, 2)


class _Convolve(Function):
    """x: (tasks, cases, channels, sides...); weight: (tasks, outputs, channels, kernel...)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, where: Where) -> Tensor:
        x, weight = _alike(x, weight)
        if _shared(weight):
            return by_task(_forward(x.flatten(0, 1), weight[0], where), len(x))
        if columns.pays(columns.out_shape(x, weight, where), weight):
            return columns.forward(x, weight, where)
        if _grouped(x):
            out = _forward(_side_by_side(x), weight.flatten(0, 1), where, len(x))
            return _one_by_one(out, len(x))
        return each_task(lambda i: _forward(x[i], weight[i], where), len(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.where = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x = _ToInput.apply(above, x, weight, ctx.where) if ctx.needs_input_grad[0] else None
        to_weight = _ToWeight.apply(above, x, weight, ctx.where) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        out = _Convolve.apply(*merged(info.batch_size, in_dims, args))
        return by_task(out, info.batch_size), 0


class _ToInput(Function):
    """Gradient with respect to the input: linear in `above` and in `weight`; of `x` only the shape counts."""

    @staticmethod
    def forward(above: Tensor, x: Tensor, weight: Tensor, where: Where) -> Tensor:
        above, x, weight = _alike(above, x, weight)
        if _shared(weight):
            flat = _backward(above.flatten(0, 1), x.flatten(0, 1), weight[0], where, (True, False))[0]
            return by_task(flat, len(x))
        if columns.pays(above.shape, weight):
            return columns.to_input(above, x.shape, weight, where)
        if _grouped(x):
            wide = (_side_by_side(above), _side_by_side(x), weight.flatten(0, 1))
            return _one_by_one(_backward(*wide, where, (True, False), len(x))[0], len(x))
        return each_task(lambda i: _backward(above[i], x[i], weight[i], where, (True, False))[0], len(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        above, x, weight, ctx.where = inputs
        ctx.save_for_backward(above, x, weight)

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:
        above, _, weight = ctx.saved_tensors
        to_above = _Convolve.apply(along, weight, ctx.where) if ctx.needs_input_grad[0] else None
        to_weight = _ToWeight.apply(above, along, weight, ctx.where) if ctx.needs_input_grad[2] else None
        return to_above, None, to_weight, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        out = _ToInput.apply(*merged(info.batch_size, in_dims, args))
        return by_task(out, info.batch_size), 0


class _ToWeight(Function):
    """Gradient with respect to the weight: linear in `above` and in `x`; of `weight` only the shape counts."""

    @staticmethod
    def forward(above: Tensor, x: Tensor, weight: Tensor, where: Where) -> Tensor:
        dtype = weight.dtype
        above, x, weight = _alike(above, x, weight)
        if columns.pays(above.shape, weight):
            return columns.to_weight(above, x, weight.shape[3:], where).to(dtype)
        if _grouped(x):
            wide = (_side_by_side(above), _side_by_side(x), weight.flatten(0, 1))
            return by_task(_backward(*wide, where, (False, True), len(x))[1], len(x)).to(dtype)
        return each_task(lambda i: _backward(above[i], x[i], weight[i], where, (False, True))[1], len(x)).to(
            dtype
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        above, x, weight, ctx.where = inputs
        ctx.save_for_backward(above, x, weight)

    @staticmethod
    def backward(ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:
        above, x, _ = ctx.saved_tensors
        to_above = _Convolve.apply(x, along, ctx.where) if ctx.needs_input_grad[0] else None
        to_x = _ToInput.apply(above, x, along, ctx.where) if ctx.needs_input_grad[1] else None
        return to_above, to_x, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        out = _ToWeight.apply(*merged(info.batch_size, in_dims, args))
        return by_task(out, info.batch_size), 0


def merged(tasks: int, in_dims: tuple[int | None, ...], args: tuple[Any, ...]) -> list[Any]:
    """Arguments of `vmap` with its tasks in their own first dimension; views that repeat one value where shared."""
    return [
        _tasks_first(arg, dim, tasks) if isinstance(arg, Tensor) else arg
        for arg, dim in zip(args, in_dims, strict=True)
    ]


def by_task(x: Tensor, tasks: int) -> Tensor:
    """The first dimension in as many parts as there are tasks."""
    return x.view(tasks, len(x) // tasks, *x.shape[1:])


def each_task(function: Callable[[int], Tensor], tasks: int) -> Tensor:
    """What a function of a task's number gives, stacked; each is copied while the processor's cache has it."""
    first = function(0)
    if tasks == 1:
        return first.unsqueeze(0)
    together = first.new_empty_strided((tasks, *first.shape), (first.numel(), *first.stride()))
    together[0] = first
    for i in range(1, tasks):
        together[i] = function(i)
    return together


def _tasks_first(x: Tensor, dim: int | None, tasks: int) -> Tensor:
    fronted = x.expand(tasks, *x.shape) if dim is None else x.movedim(dim, 0)
    return fronted.squeeze(1) if fronted.shape[1] == 1 else fronted.flatten(0, 1)


def _shared(weight: Tensor) -> bool:
    """Whether all tasks have the same weights, seen through `expand`: those of the first inner step."""
    return weight.stride(0) == 0 or len(weight) == 1


def _alike(*tensors: Tensor) -> list[Tensor]:
    """The tensors in the precision of the first one, all with channels innermost in memory if cases lie so: mixed
    layouts are many times slower."""
    alike = [_in_precision(t, tensors[0].dtype) for t in tensors]
    if tensors[0].dim() != 5 or not any(_channels_last(t) for t in tensors[:-1]):
        return alike
    return [t if _channels_last(t) else _with_channels_last(t) for t in alike]


def _in_precision(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in a precision; what all tasks share they share there too."""
    if x.dtype == dtype:
        return x
    return x[:1].to(dtype).expand(x.shape) if _shared(x) else x.to(dtype)


def _channels_last(x: Tensor) -> bool:
    return x.dim() == 5 and x[0].is_contiguous(memory_format=torch.channels_last)


def _with_channels_last(x: Tensor) -> Tensor:
    if _shared(x):
        return x[:1].squeeze(0).contiguous(memory_format=torch.channels_last).expand(x.shape)
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])


def _grouped(x: Tensor) -> bool:
    """Whether weights of each task make one grouped convolution, where the product of `columns` does not pay.

    That is so on other devices than the CPU, and for signals, whose convolutions are small.
    """
    return len(x) > 1 and (x.dim() == 4 or x.device.type not in _LOOPING)


def _side_by_side(x: Tensor) -> Tensor:
    """Tasks as groups of channels."""
    return x.movedim(0, 1).flatten(1, 2)


def _one_by_one(x: Tensor, tasks: int) -> Tensor:
    """Groups of channels as tasks."""
    return x.view(len(x), tasks, x.shape[1] // tasks, *x.shape[2:]).movedim(1, 0)


def _forward(x: Tensor, weight: Tensor, where: Where, groups: int = 1) -> Tensor:
    stride, padding = where
    sides = len(stride)
    return torch.ops.aten.convolution(
        x, weight, None, stride, padding, [1] * sides, False, [0] * sides, groups
    )


def _backward(
    above: Tensor, x: Tensor, weight: Tensor, where: Where, wanted: tuple[bool, bool], groups: int = 1
) -> Any:
    stride, padding = where
    sides = len(stride)
    return torch.ops.aten.convolution_backward(
        above, x, weight, None, stride, padding, [1] * sides, False, [0] * sides, groups, [*wanted, False]
    )


def leaves_to_torch(layer: nn.Module) -> bool:
    """Whether a layer is a convolution that does more than `convolve` can."""
    if not isinstance(layer, nn.modules.conv._ConvNd):
        return False
    plain = layer.groups == 1 and all(d == 1 for d in layer.dilation) and layer.padding_mode == "zeros"
    return layer.transposed or not plain or isinstance(layer.padding, str)


def _through(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    if leaves_to_torch(layer):  # torch casts no convolution under vmap on a CPU
        out: Tensor = layer._conv_forward(*as_products(x, layer.weight, layer.bias))
        return out
    return convolve(x, layer.weight, layer.bias, layer.stride, [int(p) for p in layer.padding])


class Conv1d(nn.Conv1d):
    """torch's, differentiated as `convolve` is."""

    def forward(self, x: Tensor) -> Tensor:
        return _through(self, x)


class Conv2d(nn.Conv2d):
    """torch's, differentiated as `convolve` is."""

    def forward(self, x: Tensor) -> Tensor:
        return _through(self, x)


class Conv3d(nn.Conv3d):
    """torch's, differentiated as `convolve` is."""

    def forward(self, x: Tensor) -> Tensor:
        return _through(self, x)


OWN: dict[type[nn.Module], type[nn.Module]] = {nn.Conv1d: Conv1d, nn.Conv2d: Conv2d, nn.Conv3d: Conv3d}
"""What takes the place of each of torch's."""
