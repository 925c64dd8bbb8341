"""Pictures that stay on disk until they are looked at, so that a set may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Room = Callable[[tuple[int, ...]], NDArray[np.uint8]]
"""Makes an array of a shape for pictures: in memory, or on disk."""


def in_memory(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Room in memory."""
    return np.empty(shape, dtype=np.uint8)


class Stored:
    """Some rows of an array in a .npy file; indexing reads those rows, as an array.

    Args:
        path: the file.
        rows: which rows, in which order; all of them by default.

    Raises:
        OSError, ValueError: it cannot be read, or holds less than it says.
    """

    def __init__(self, path: Path, rows: NDArray[np.int64] | None = None) -> None:
        self.path = path
        self._every: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        self._rows = np.arange(len(self._every)) if rows is None else rows

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._every.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._every.shape[1:])

    @property
    def ndim(self) -> int:
        return self._every.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> NDArray[Any]:
        return np.array(self._every[self._rows[at]], subok=False)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, at: ArrayLike) -> Stored:
        """Some of these rows, unread."""
        return Stored(self.path, self._rows[np.asarray(at)])

    def __reduce__(self) -> tuple[Any, ...]:
        return Stored, (self.path, self._rows)  # another process reads the file itself
