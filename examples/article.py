"""The article's program, whole: meta-train a learner on thyroid diagnoses with `MetaOptim`.

Run it with `python examples/article.py`; it needs no download.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from metadx.cases import fit_transform, letters, load
from metadx.tasks import ConditionSource, MetaDataset, Shape, Split, TaskSource, split_cases, split_conditions
from metadx.training import MetaOptim, compute_meta_loss

CONDITIONS = 5


class MyMedicalDataset(MetaDataset):
    """Tasks that tell five thyroid diagnoses apart, from five patients each."""

    def __init__(self, split: Split) -> None:
        super().__init__(split, shape=Shape(ways=CONDITIONS, shots=5, query=10), batch_size=4, batches=100)
        cases = load("thyroid")
        counts = {name: n for name, n in cases.counts().items() if name != "no condition (-)"}
        sides = split_cases(cases, split_conditions(counts, seed=0, parts=letters, least=12))
        transform = fit_transform(sides[0])  # fitted on meta-training patients only
        self.source = ConditionSource(sides[("train", "validation", "test").index(split)], transform)

    def sources(self) -> Sequence[TaskSource]:
        return [self.source]


class Learner(nn.Module):
    """The base network f_θ: any module of your own will do."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, CONDITIONS))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def main() -> list[float]:
    """Trains, prints the meta-loss now and then, and gives it at every step."""
    torch.manual_seed(0)
    losses: list[float] = []

    train_dataset = MyMedicalDataset("train")  # a MetaDataset
    learner = Learner(*train_dataset.source.input_shape)
    meta_optim = MetaOptim(learner, inner_lr=0.01, inner_steps=5)
    for batch in train_dataset:
        inner_params = meta_optim.adapt(batch["data"], batch["labels"])
        meta_loss = compute_meta_loss(learner, inner_params, batch)
        meta_optim.step(meta_loss)
        losses.append(meta_loss.item())
        if len(losses) % 10 == 0:
            print(f"step {len(losses)}: meta-loss {sum(losses[-10:]) / 10:.3f}")
    return losses


if __name__ == "__main__":
    main()
