"""MedIMeta: data sets of pictures in one layout, with one or more tasks each."""

from metadx.cases.medimeta.declared import KINDS
from metadx.cases.medimeta.reader import holds_medimeta, read_medimeta

__all__ = ["KINDS", "holds_medimeta", "read_medimeta"]
