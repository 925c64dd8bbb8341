"""Pictures that are one picture: equal, resized, encoded again, brightened, turned or mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.audit.chance import fit_tail
from metadx.cases.audit.links import Link, Progress, same
from metadx.cases.audit.sketches import (
    Sketches,
    Whitening,
    fit_whitening,
    halved,
    normalised,
    sketches,
    turned,
    turns,
)
from metadx.cases.cases import Cases

COSINES = (0.9, 0.98)
"""Sketches of copies of one picture have at least the first cosine, and nearly always the second."""

LEAST_CORRELATION = 0.9
"""Copies of one picture, laid on each other and made coarse, correlate at least so well."""

_BLOCK = 256
_SAMPLE = 200
_FEWEST = 8


def picture_links(cases: Cases, progress: Progress) -> list[Link]:
    """Links between pictures: equal ones, and those whose sketches, in one of eight turns, are no chance.

    The sketches propose; the pictures themselves, laid on each other and compared in all channels, confirm.
    """
    twin = same(cases.x)
    equal = [
        Link((int(twin[at]), int(at)), True, True, "are equal in every pixel")
        for at in np.flatnonzero(twin != np.arange(len(twin)))
    ]
    single = np.unique(twin)
    if len(single) < _FEWEST:
        return equal
    return [*equal, *_near(cases.x, single, progress)]


def score(cosine: NDArray[Any]) -> NDArray[Any]:
    """The cosine of two sketches on a scale where the tail of unrelated pairs falls exponentially.

    In d dimensions the odds that two random directions have a cosine above r go as (1 - r^2)^(d / 2).
    """
    scored: NDArray[Any] = -0.5 * np.log(1 - np.clip(cosine, 0, 1 - 1e-6) ** 2)
    return scored


def correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """The correlation of two pictures, shape (channels, height, width), once both are halved and enlarged again."""
    a, b = (normalised(halved(picture[:, None]).reshape(1, -1))[0] for picture in (first, second))
    return float(a @ b)


def _near(x: NDArray[Any], single: NDArray[np.int64], progress: Progress) -> Iterator[Link]:
    rng = np.random.default_rng(0)
    pictures = x[single] if len(single) < len(x) else x
    sketch = sketches(pictures)
    whiten = fit_whitening(pictures, sketch, rng)
    vectors = whiten(sketch)
    least = _least_cosine(sketch, whiten, vectors, rng)
    for start in range(0, len(single), _BLOCK):
        best, turn = _best(sketch[start : start + _BLOCK], whiten, vectors[start:])
        first, second = np.nonzero(best >= least)
        later = first < second
        for a, b in zip(first[later], second[later], strict=True):
            on_second = turned(pictures[start + a], int(turn[a, b]))
            beside = pictures[start + b]
            alike = correlation(on_second, beside) if on_second.shape == beside.shape else float(best[a, b])
            if alike >= LEAST_CORRELATION:
                pair = (int(single[start + a]), int(single[start + b]))
                yield Link(pair, False, True, _words(int(turn[a, b]), alike))
        progress("comparing pictures", min(start + _BLOCK, len(single)), len(single))


def _least_cosine(sketch: Sketches, whiten: Whitening, vectors: Sketches, rng: np.random.Generator) -> float:
    """The cosine that unrelated pictures do not reach, within what copies of one picture do."""
    picked = np.sort(rng.permutation(len(sketch))[:_SAMPLE])
    best, _ = _best(sketch[picked], whiten, vectors)
    sample = score(best[picked[:, None] != np.arange(len(sketch))])
    tail = fit_tail(sample, len(sketch), steepest=float(vectors.shape[1]))
    return float(np.clip(np.sqrt(1 - np.exp(-2 * tail.bound)), *COSINES))


def _best(
    block: Sketches, whiten: Whitening, vectors: Sketches
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """The largest cosine of each of a block of sketches, in any turn, with each vector; and that turn."""
    best = whiten(block) @ vectors.T
    turn = np.zeros(best.shape, dtype=np.int8)
    for number, each in enumerate(turns(block)):
        if number:
            cosine = whiten(each) @ vectors.T
            np.copyto(turn, number, where=cosine > best)
            np.maximum(best, cosine, out=best)
    return best, turn


def _words(turn: int, correlation: float) -> str:
    mirrored = ("mirrored",) if turn >= 4 else ()
    degrees = (f"turned by {90 * (turn % 4)} degrees",) if turn % 4 else ()
    how = f", {' and '.join((*degrees, *mirrored))}" if turn else ""
    return f"show one picture{how} (correlation {correlation:.3f})"
