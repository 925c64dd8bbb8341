"""Windows: which range of values a picture shows, from black to white."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


class Window(NamedTuple):
    """A window on modality values, such as Hounsfield units.

    Args:
        centre: value shown in middle grey.
        width: range of values from black to white.
        function: LINEAR, LINEAR_EXACT or SIGMOID, as DICOM defines them.

    References: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    @property
    def usable(self) -> bool:
        """Whether it is a window at all: finite, wide enough, of a known function."""
        least = 1.0 if self.function == "LINEAR" else 0.0
        finite = math.isfinite(self.centre) and math.isfinite(self.width)
        return finite and self.width > least and self.function in FUNCTIONS

    def shown(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Brightness of each value, from 0 (black) to 1 (white)."""
        v = values.astype(np.float32, copy=False)
        if self.function == "SIGMOID":
            steep = np.clip(-4.0 * (v - self.centre) / self.width, -80.0, 80.0)
            return np.asarray(1.0 / (1.0 + np.exp(steep)), dtype=np.float32)
        shift, narrower = (0.5, 1.0) if self.function == "LINEAR" else (0.0, 0.0)
        part = (v - (self.centre - shift)) / (self.width - narrower) + 0.5
        return np.asarray(np.clip(part, 0.0, 1.0), dtype=np.float32)


CT_WINDOW = Window(40.0, 400.0)
"""What a CT without a window of its own is shown through: soft tissue, -160 to 240 Hounsfield units."""


def own_window(item: Dataset) -> Window | None:
    """The first window that a header gives, or None where it gives none that is usable."""
    first = []
    for keyword in ("WindowCenter", "WindowWidth"):
        value: Any = item.get(keyword)
        if isinstance(value, str | bytes) or value is None:
            return None
        if hasattr(value, "__len__"):
            if len(value) == 0:
                return None
            value = value[0]
        first.append(float(value))
    function = str(item.get("VOILUTFunction") or "LINEAR").strip().upper()
    window = Window(first[0], first[1], function)
    return window if window.usable else None


def check_window(window: Window | tuple[float, float]) -> Window:
    """A window that the user gave.

    Raises:
        UserError: it is not usable.
    """
    given = Window(*window)
    if not given.usable:
        raise UserError(
            f"window {tuple(given)}: give (centre, width) with a width above 1, and one of {', '.join(FUNCTIONS)}."
        )
    return given
