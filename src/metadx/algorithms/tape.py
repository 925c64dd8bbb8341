"""Writes down (traces) the tensor operations that a pure function runs, to run them again without the function.

A small network's meta-step is some hundreds of operations, each of which costs more to start, through Python,
autograd and `vmap`, than to run. What is written down is below all of these: derivatives are already taken, and
tasks already together.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

_MOST = 20_000  # operations; Python takes long to read a list of more
_DEPENDS = (
    torch.Tag.dynamic_output_shape,
    torch.Tag.data_dependent_output,
    torch.Tag.nondeterministic_seeded,
)


class Unrecordable(Exception):
    """What a function runs depends on more than the layout of its arguments, or is too much; says which."""


class Unknown:
    """Stands for a value that must not matter to what is written down; whatever is done with it is refused."""

    def _refuse(self, *args: Any) -> Any:
        raise Unrecordable("it depends on the step or on random numbers")

    __getattr__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __index__ = __int__ = __float__ = (
        _refuse
    )
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __hash__ = _refuse


class Layout(NamedTuple):
    """How the elements of a tensor lie in its storage.

    Args:
        shape, stride, offset: in elements.
        dtype: of the elements.
    """

    shape: torch.Size
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype


def layout(tensor: Tensor) -> Layout:
    """How this tensor lies."""
    return Layout(tensor.shape, tensor.stride(), int(tensor.storage_offset()), tensor.dtype)


def write_down(function: Callable[..., Sequence[Tensor]], args: Sequence[Tensor]) -> fx.GraphModule:
    """The operations that a function runs on these arguments, each a node.

    Its `meta` has the layout of what it gives, and whether that is a view of the same elements as the node's first
    argument. Tensors that are neither arguments nor made of them are constants of the module. After its results it
    gives those truths that the function asked for, such as whether all of a mask is 1; what it was told is in
    `meta["truths"]`, and the operations are those of arguments for which it is so.

    Raises:
        Unrecordable: operations depend on other values, draw random numbers, or are too many.
    """
    args = [arg.detach() for arg in args]  # one tensor that is given twice is two arguments
    tape = _Tape(args)
    with tape:
        results = function(*args)
    tape.graph.output((*map(tape.node, results), *(node for node, _ in tape.truths)))
    clean(tape.graph)
    module = fx.GraphModule(tape.constants, tape.graph)
    module.meta["truths"] = [truth for _, truth in tape.truths]
    return module


def clean(graph: fx.Graph) -> None:
    """Takes out what nobody reads; what changes a tensor or only checks one stays."""
    graph.eliminate_dead_code(lambda node: node.is_impure() or changes(node) or _gives_nothing(node))


def changes(node: fx.Node) -> bool:
    """Whether it changes a tensor in place."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _gives_nothing(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and not schema.returns


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, args: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.truths: list[tuple[fx.Node, bool]] = []
        self.graph = fx.Graph()
        self.constants: dict[str, Tensor] = {}
        self._nodes = WeakTensorKeyDictionary()
        for number, arg in enumerate(args):
            self._enter(arg, self.graph.placeholder(f"arg{number}"))

    def node(self, tensor: Tensor) -> fx.Node:
        found: fx.Node | None = self._nodes.get(tensor)  # type: ignore[no-untyped-call]
        if found is None:
            name = f"constant{len(self.constants)}"
            self.constants[name] = tensor.detach()
            found = self.graph.get_attr(name)
            self._enter(tensor, found)
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].dtype == torch.bool:
            self.truths.append((self.node(args[0]), func(*args)))
            return self.truths[-1][1]
        if any(tag in func.tags for tag in _DEPENDS) and not _by_number(func, args):
            raise Unrecordable(f"{func} depends on values or draws random numbers")
        if len(self.graph.nodes) > _MOST:
            raise Unrecordable(f"more than {_MOST} operations")
        kwargs = kwargs or {}
        noted = pytree.tree_map_only(Tensor, self.node, (args, kwargs))
        out = func(*args, **kwargs)
        made = self.graph.call_function(func, *noted)
        if isinstance(out, Tensor):
            first = args[0] if args and isinstance(args[0], Tensor) else None
            self._enter(out, made, view=first is not None and _same_elements(out, first))
        else:
            for number, part in enumerate(out or ()):
                if isinstance(part, Tensor):
                    self._enter(part, self.graph.call_function(operator.getitem, (made, number)))
        return out

    def _enter(self, tensor: Tensor, node: fx.Node, view: bool = False) -> None:
        if tensor in self._nodes:
            return  # an argument that was changed in place
        node.meta.update(layout=layout(tensor), view=view)
        self._nodes[tensor] = node


def _by_number(func: Any, args: Any) -> bool:
    """Whether it takes rows by their numbers, of which there are always as many; a mask may hold at any number."""
    return func is torch.ops.aten.index.Tensor and all(
        rows is None or rows.dtype == torch.int64 for rows in args[1]
    )


def _same_elements(one: Tensor, other: Tensor) -> bool:
    """Whether the elements of both are those of one storage, read in the same way."""
    return one.untyped_storage()._cdata == other.untyped_storage()._cdata and (
        one.dtype,
        one.is_conj(),
        one.is_neg(),
    ) == (other.dtype, other.is_conj(), other.is_neg())
