"""Small tables, pictures and recipes that real runs are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

VOUCHED = "every case is a different patient"


def write_table(path: Path, conditions: int = 12, patients: int = 8, seed: int = 0) -> Path:
    """A CSV whose conditions differ; one measurement is sometimes missing and one column is text."""
    rng = np.random.default_rng(seed)
    lines = ["label,patient,a,b,c,sex"]
    for condition in range(conditions):
        centre = rng.normal(0, 2, 3)
        for patient in range(patients):
            a, b, c = centre + rng.normal(0, 0.6, 3)
            measured = f"{c:.3f}" if patient % 4 else ""
            lines.append(
                f"condition {condition},p{condition}-{patient},{a:.3f},{b:.3f},{measured},{'FM'[patient % 2]}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_pictures(folder: Path, conditions: int = 6, pictures: int = 6, side: int = 12) -> Path:
    """Class folders of grey PNGs; every condition has its own stripes."""
    rng = np.random.default_rng(0)
    for condition in range(conditions):
        inside = folder / f"kind {condition}"
        inside.mkdir(parents=True)
        rows = np.arange(side)[:, None] * (condition + 1) / 2
        for number in range(pictures):
            grey = 128 + 90 * np.sin(rows + rng.normal(0, 0.2)) + rng.normal(0, 8, (side, side))
            Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(inside / f"{number}.png")
    return folder


def recipe(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A short recipe; dicts given by keyword are merged into its parts."""
    content: dict[str, Any] = {
        "data": {"split": {"share": [1, 1, 1], "least": 4}, **data},
        "tasks": {"ways": 2, "shots": 2, "query": 3},
        "learner": {"name": "auto"},
        "algorithm": {"name": "protonet"},
        "training": {"iterations": 4, "meta_batch": 2, "validate_every": 2, "validation_tasks": 4},
        "evaluation": {"shots": [1, 2], "episodes": 6, "query": 3, "tuning_tasks": 4},
    }
    for name, value in changes.items():
        content[name] = {**content.get(name, {}), **value} if isinstance(value, dict) else value
    if "algorithm" in changes:
        content["algorithm"] = changes["algorithm"]
    return content


def write_recipe(path: Path, data: dict[str, Any], **changes: Any) -> Path:
    """The same as a file."""
    path.write_text(yaml.safe_dump(recipe(data, **changes)), encoding="utf-8")
    return path
