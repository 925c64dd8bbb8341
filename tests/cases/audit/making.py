"""Clean cases to plant leaks in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Cases, Provenance
from metadx.cases.patients import VOUCHED


def table(n: int = 300, seed: int = 0, **changes: Any) -> Cases:
    """Patients with eight laboratory values, some missing, a sex and a flag; half of them ill."""
    rng = np.random.default_rng(seed)
    labs = np.exp(rng.normal(2, 0.6, (n, 8))).round(2)
    labs[rng.random(labs.shape) < 0.1] = np.nan
    x = np.concatenate([rng.integers(20, 90, (n, 1)), labs, rng.integers(0, 2, (n, 2))], axis=1)
    given: dict[str, Any] = {
        "x": x,
        "y": np.arange(n) * 7919 % n % 2,
        "patient": np.asarray([f"p{at}" for at in range(n)]),
        "classes": ("healthy", "ill"),
        "modality": "table",
        "provenance": Provenance("made"),
        "features": ("age", *(f"lab {at}" for at in range(8)), "sex=F", "smokes"),
    }
    return Cases(**{**given, **changes})


def pictures(n: int = 60, seed: int = 0, size: tuple[int, int] = (48, 48), **changes: Any) -> Cases:
    """Colour pictures of a few soft blobs on a bright ground."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[: size[0], : size[1]]
    x = np.full((n, 3, *size), 200.0)
    for picture in x:
        for _ in range(6):
            at, wide = rng.uniform(0, 1, 2) * size, rng.uniform(3, 9)
            blob = np.exp(-((down - at[0]) ** 2 + (across - at[1]) ** 2) / (2 * wide**2))
            picture -= rng.uniform(20, 60, 3)[:, None, None] * blob
    given: dict[str, Any] = {
        "x": np.clip(x + rng.normal(0, 2, x.shape), 0, 255).astype(np.uint8),
        "y": np.arange(n) * 31 % n % 2,
        "patient": np.asarray([f"p{at}" for at in range(n)]),
        "classes": ("benign", "malignant"),
        "modality": "image",
        "provenance": Provenance("made"),
    }
    return Cases(**{**given, **changes})


def plus(cases: Cases, x: NDArray[Any], y: int | None = None, patient: str = "copy", at: int = 0) -> Cases:
    """The cases and one more, labelled and named like case `at` unless told otherwise."""
    more = cases.select([*range(len(cases)), at])
    more.x[-1] = x
    more.y[-1] = cases.y[at] if y is None else y
    names = [*cases.patient.tolist(), patient]
    return replace(more, patient=np.asarray(names))


def vouched(cases: Cases) -> Cases:
    """The cases as if somebody had vouched that each is another patient's."""
    return replace(cases, provenance=replace(cases.provenance, notes=(VOUCHED,)))
