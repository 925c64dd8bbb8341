"""What episodes are drawn from, for every library alike: needs NumPy alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SHAPE = (5, 1, 1)
"""Ways, shots and query cases per class."""

TOGETHER = 32
CLASSES, EACH, SIDE = 1623, 20, 28


def write_pictures(file: Path, classes: int = CLASSES) -> None:
    """As many pictures as Omniglot has, of its size; what they show changes no time."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (classes * EACH, 1, SIDE, SIDE), dtype=np.uint8)
    np.savez(file, pictures=pictures, labels=np.repeat(np.arange(classes), EACH))
