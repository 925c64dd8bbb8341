"""A module as a pure function of its tensors."""

from __future__ import annotations

import copy
import threading
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metadx.learners.norm import (
    BatchNorm,
    replace_layers,
    statistics_from,
    statistics_seen,
    take_statistics,
)
from metadx.learners.precision import reduced

Tensors = dict[str, Tensor]


class Reference(NamedTuple):
    """The inputs that batch statistics are taken from: x, shape (cases, ...), and mask, shape (cases,)."""

    x: Tensor
    mask: Tensor


class Functional:
    """Calls a module with parameters given from outside; the module itself never changes.

    The module is copied, its torch batch norms are replaced by `BatchNorm` and the rest is put into
    evaluation mode, so that no buffer is ever written. `torch.func.functional_call` swaps parameters in place
    while it runs, so every thread works on a copy of its own.

    Args:
        module: any module that maps (cases, ...) to (cases, outputs).
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = replace_layers(copy.deepcopy(module)).eval()
        self._threads = threading.local()
        tensors = [*self._module.named_parameters(), *self._module.named_buffers()]
        self.names = tuple(name for name, _ in tensors)
        self.batch_statistics = any(isinstance(m, BatchNorm) for m in self._module.modules())

    def init(self) -> tuple[Tensors, Tensors]:
        """Copies of the module's trainable parameters, and of its frozen parameters and buffers."""
        named = dict(self._module.named_parameters())
        params = {k: v.detach().clone() for k, v in named.items() if v.requires_grad}
        state = {k: v.detach().clone() for k, v in named.items() if not v.requires_grad}
        state |= {k: v.detach().clone() for k, v in self._module.named_buffers()}
        return params, state

    def head_names(self, prefix: str = "") -> set[str]:
        """Names of the trainable parameters that begin with `prefix`; those of the last layer by default."""
        named = dict(self._module.named_parameters())
        last = next(reversed(named), "").rpartition(".")[0]
        return {
            name
            for name, parameter in named.items()
            if parameter.requires_grad
            and (name.startswith(prefix) if prefix else name.rpartition(".")[0] == last)
        }

    def __call__(self, tensors: Tensors, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The module's output for `x`; batch statistics come from the rows where `mask` is 1."""
        with statistics_from(mask), reduced(x.device) as dtype:
            out: Tensor = functional_call(self._local(), {k: tensors[k] for k in self.names}, (x,))
        return out.float() if out.dtype == dtype else out

    def before(self, layer: str, tensors: Tensors, x: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """What goes into a layer, if what comes out of it is what the module gives; None if there is more to it."""
        seen: list[tuple[tuple[Tensor, ...], Tensor]] = []
        hook = (
            self._local()
            .get_submodule(layer)
            .register_forward_hook(lambda _, given, out: seen.append((given, out)))
        )
        try:
            out = self(tensors, x, mask)
        finally:
            hook.remove()
        if len(seen) != 1 or len(seen[0][0]) != 1 or seen[0][1] is not out:
            return None
        return seen[0][0][0]

    def layer(self, name: str) -> Functional:
        """One of the module's layers alone."""
        return Functional(self._module.get_submodule(name))

    def given(self, tensors: Tensors, reference: Reference, x: Tensor) -> Tensor:
        """The module's output for `x`, with batch statistics from `reference` alone.

        Each row of the output then depends on no other row of `x`.
        """
        if not self.batch_statistics:
            return self(tensors, x)
        if x is reference.x:
            return self(tensors, x, reference.mask)
        together = torch.cat([reference.x, x])
        mask = torch.cat([reference.mask, reference.mask.new_zeros(len(x))])
        return self(tensors, together, mask)[len(reference.x) :]

    def norm_names(self) -> set[str]:
        """Names of the parameters of batch norms, their scales and shifts."""
        norms = {name for name, norm in self._module.named_modules() if isinstance(norm, BatchNorm)}
        return {name for name, _ in self._module.named_parameters() if name.rpartition(".")[0] in norms}

    def taking_statistics(self) -> Functional:
        """The same network, whose batch norms use what `statistics` gives, which is then among its tensors."""
        return Functional(take_statistics(copy.deepcopy(self._module)))

    def statistics(self, tensors: Tensors, x: Tensor, mask: Tensor | None = None) -> Tensors:
        """Mean and variance of every batch norm over the rows of `x` where `mask` is 1, shape (channels,) each."""
        with statistics_seen() as seen:
            self(tensors, x, mask)
        found = {}
        for name, module in self._local().named_modules(remove_duplicate=False):
            if module in seen:
                prefix = f"{name}." if name else ""
                found[prefix + "mean"], found[prefix + "variance"] = seen[module]
        return found

    def _local(self) -> nn.Module:
        module = getattr(self._threads, "module", None)
        if module is None:
            module = self._threads.module = copy.deepcopy(self._module)
        assert isinstance(module, nn.Module)
        return module

    def __getstate__(self) -> nn.Module:
        return self._module

    def __setstate__(self, module: nn.Module) -> None:
        self.__init__(module)  # type: ignore[misc]
