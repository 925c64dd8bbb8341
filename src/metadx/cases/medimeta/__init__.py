"""MedIMeta: data sets of pictures in one layout, with one or more tasks each."""

from metadx.cases.medimeta.declared import KINDS, declared_tasks, read_info
from metadx.cases.medimeta.reader import holds_medimeta, read_medimeta

__all__ = ["KINDS", "declared_tasks", "holds_medimeta", "read_info", "read_medimeta"]
