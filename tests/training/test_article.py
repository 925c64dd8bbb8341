"""The article's program runs as it stands."""

import re
import runpy
from pathlib import Path

import numpy as np

PROGRAM = Path(__file__).parents[2] / "examples" / "article.py"

ARTICLE = """
train_dataset = MyMedicalDataset("train")
meta_optim = MetaOptim(learner, inner_lr=0.01, inner_steps=5)
for batch in train_dataset:
    inner_params = meta_optim.adapt(batch["data"], batch["labels"])
    meta_loss = compute_meta_loss(learner, inner_params, batch)
    meta_optim.step(meta_loss)
"""


def test_the_program_is_the_articles_line_by_line() -> None:
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in PROGRAM.read_text(encoding="utf-8").splitlines()]
    places = [lines.index(line.strip()) for line in ARTICLE.strip().splitlines()]
    assert places == sorted(places)


def test_its_loss_falls() -> None:
    losses = runpy.run_path(str(PROGRAM))["main"]()
    assert len(losses) == 100
    assert np.mean(losses[-25:]) < np.mean(losses[:25]) - 0.02
