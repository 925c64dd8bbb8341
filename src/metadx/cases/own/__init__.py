"""Data of one's own: read without a word about what they are, and every guess is said."""

from metadx.cases.own.cells import read_cells
from metadx.cases.own.choice import Choice
from metadx.cases.own.pictures import Pictures
from metadx.cases.own.read import Kind, Own, read_own
from metadx.cases.own.roles import Asked

__all__ = ["Asked", "Choice", "Kind", "Own", "Pictures", "read_cells", "read_own"]
