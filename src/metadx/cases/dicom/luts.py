"""Look-up tables of DICOM: modality, values of interest, and the three of a palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset


class Lut(NamedTuple):
    """A table of values, and which stored value its first entry stands for.

    Args:
        entries: shape (entries,), unsigned.
        first: values below it take the first entry; those past the end take the last.
        bits: how many bits an entry uses.
    """

    entries: NDArray[np.uint16]
    first: int
    bits: int

    def look_up(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """The entry of each value."""
        at = np.clip(np.round(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[at]


def read_lut(item: Dataset, little: bool, prefix: str = "LUT") -> Lut:
    """The table of a sequence item, or of a palette's colour.

    Args:
        item: holds `<prefix>Descriptor` and `<prefix>Data`.
        little: whether the data set is little endian.
        prefix: "LUT", or such as "RedPaletteColorLookupTable".

    Raises:
        ValueError: the data are shorter than the descriptor says, or of no known width.

    References: DICOM PS3.3 C.11.1.1, C.11.2.1.1 and C.7.6.3.1.5.
    """
    count, first, bits = (int(number) for number in item[f"{prefix}Descriptor"].value)
    count = count or 1 << 16
    data: Any = item[f"{prefix}Data"].value
    if isinstance(data, bytes):
        wide = len(data) >= 2 * count
        raw = np.frombuffer(data, np.dtype("u2" if wide else "u1").newbyteorder("<" if little else ">"))
    else:
        raw = np.asarray(data).reshape(-1)
    if len(raw) < count or raw.min() < 0 or raw.max() >= 1 << 16:
        raise ValueError(f"look-up table of {len(raw)} entries, not {count}")
    entries = raw[:count].astype(np.uint16)
    if not 8 <= bits <= 16 or int(entries.max()).bit_length() > bits:
        raise ValueError(f"look-up table of {bits} bits")
    return Lut(entries, first, bits)


def read_palette(dataset: Dataset, little: bool) -> tuple[Lut, Lut, Lut]:
    """The red, green and blue tables of a palette, segmented or not.

    Raises:
        ValueError, KeyError: a table is missing or unsound.
    """
    from pydicom.pixels.processing import apply_color_lut

    colours = ("Red", "Green", "Blue")
    if "RedPaletteColorLookupTableData" in dataset:
        red, green, blue = (read_lut(dataset, little, f"{c}PaletteColorLookupTable") for c in colours)
        return red, green, blue
    count, first, bits = (int(n) for n in dataset["RedPaletteColorLookupTableDescriptor"].value)
    count = count or 1 << 16
    if bits == 8 and count > 256:
        raise ValueError(f"segmented palette of {count} entries of 8 bits")
    table = apply_color_lut(np.arange(first, first + count, dtype=np.int32), dataset)
    red, green, blue = (Lut(table[:, c].astype(np.uint16), first, bits) for c in range(3))
    return red, green, blue
