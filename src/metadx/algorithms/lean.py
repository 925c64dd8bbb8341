"""Makes what was written down quicker to run; its numbers stay the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from metadx.algorithms.tape import Layout, changes, clean

aten = torch.ops.aten


def lean(module: fx.GraphModule) -> fx.GraphModule:
    """The same operations, without those that change nothing and with fewer views, each called directly."""
    graph = fx.Graph()
    graph.output(graph.graph_copy(module.graph, {}))
    pure = not any(map(changes, graph.nodes))
    if pure:
        _leave_out(graph)
    _merge_views(graph)
    if pure:
        _merge_equal(graph)
    for node in graph.nodes:
        node.target = _DIRECT.get(node.target, node.target)
    clean(graph)
    return fx.GraphModule(module, graph)


def _leave_out(graph: fx.Graph) -> None:
    """Takes out what multiplies by one or adds nothing, as derivatives are full of."""
    for node in graph.nodes:
        same = _same_as(node)
        given = any(user.op == "output" for user in node.users)  # a result of its own, not an argument
        if same is not None and not given and same.meta["layout"] == node.meta["layout"]:
            node.replace_all_uses_with(same)
    clean(graph)


def _same_as(node: fx.Node) -> fx.Node | None:
    """The node whose numbers this one has too, if there is one."""
    if node.target in _BY_ONE and node.args[1] == 1:
        return node.args[0]  # type: ignore[return-value]
    if node.target is aten.add.Tensor and not node.kwargs:
        one, other = node.args
        for zeros, same in ((one, other), (other, one)):
            if isinstance(zeros, fx.Node) and zeros.target is aten.zeros_like.default:
                return same  # type: ignore[return-value]
    return None


def _merge_views(graph: fx.Graph) -> None:
    """Makes each view, of a view of a view, one view of the tensor that has the storage; equal ones are one."""
    roots: dict[fx.Node, fx.Node] = {}
    made: dict[tuple[fx.Node, Layout], fx.Node] = {}
    for node in list(graph.nodes):
        if not node.meta.get("view"):
            continue
        viewed = node.args[0]
        root = roots[node] = roots.get(viewed, viewed)
        here, there = node.meta["layout"], root.meta["layout"]
        if here == there:
            node.replace_all_uses_with(root)
        elif here.offset == there.offset:
            if (root, here) not in made:
                with graph.inserting_before(node):
                    view = graph.call_method("as_strided", (root, tuple(here.shape), here.stride))
                view.meta["layout"], roots[view], made[root, here] = here, root, view
            node.replace_all_uses_with(made[root, here])
    clean(graph)


def _merge_equal(graph: fx.Graph) -> None:
    """Computes once what was computed more often (common subexpressions)."""
    first: dict[Any, fx.Node] = {}
    for node in graph.nodes:
        if node.op not in ("call_function", "call_method"):
            continue
        what = (node.target, repr(node.args), repr(node.kwargs))
        if what in first:
            node.replace_all_uses_with(first[what])
        first.setdefault(what, node)
    clean(graph)


_BY_ONE = {aten.mul.Scalar, aten.mul.Tensor, aten.div.Scalar, aten.div.Tensor, aten.pow.Tensor_Scalar}
_CALLED = (
    "add.Tensor", "addcmul", "addmm", "argmax", "baddbmm", "bmm", "cat", "clamp", "clone", "div.Scalar",
    "div.Tensor", "eq.Scalar", "eq.Tensor", "exp", "gather", "gt.Scalar", "masked_fill.Scalar", "mean", "mean.dim",
    "mm", "mul.Scalar", "mul.Tensor", "neg", "ones_like", "pow.Tensor_Scalar", "relu", "rsqrt", "sqrt", "square",
    "stack", "sub.Tensor", "sum", "sum.dim_IntList", "where.self", "zeros_like",
)  # fmt: skip


def _called(name: str) -> tuple[Any, Callable[..., Any]]:
    packet, _, overload = name.partition(".")
    return getattr(getattr(aten, packet), overload or "default"), getattr(torch, packet)


_DIRECT = dict(map(_called, _CALLED))
"""Functions of torch, which start faster than the same operations under `torch.ops`."""
