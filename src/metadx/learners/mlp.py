"""The multi-layer perceptron, for tables and small regression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from metadx.errors import UserError
from metadx.learners.norm import LayerNorm

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}
MONOTONE = ("relu", "softplus", "tanh")
NORMS = ("none", "layer")


def one_of(options: Iterable[str], what: str, name: str) -> None:
    """Raises UserError unless `name` is one of the options."""
    if name not in options:
        raise UserError(f"{what} must be one of {', '.join(options)}, not {name!r}")


class MLP(nn.Module):
    """Linear layers with an activation between them, and a linear head.

    Args:
        inputs: numbers in one case, whatever its shape; they are put in a row.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        hidden: width of each hidden layer.
        activation: one of `ACTIVATIONS`.
        norm: "layer" normalises each hidden layer, "none" does not.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int | None = None,
        hidden: Sequence[int] = (64, 64),
        activation: str = "relu",
        norm: str = "none",
    ) -> None:
        super().__init__()
        one_of(ACTIVATIONS, "activation", activation)
        one_of(NORMS, "norm", norm)
        sizes = [inputs, *hidden]
        layers: list[nn.Module] = []
        for size, width in pairwise(sizes):
            layers.append(nn.Linear(size, width))
            if norm == "layer":
                layers.append(LayerNorm(width))
            layers.append(ACTIVATIONS[activation]())
        self.features = nn.Sequential(*layers)
        self.head = nn.Identity() if outputs is None else nn.Linear(sizes[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(x.flatten(1)))
        return out
