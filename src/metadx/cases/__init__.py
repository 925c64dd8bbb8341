"""What was observed: cases, readers for each kind of file, and the catalogue of public data sets."""

from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, Modality, Provenance
from metadx.cases.preprocess import Pixels, TableTransform, Transform, fit_table, fit_transform

__all__ = [
    "EVERY_CASE_ITS_OWN_PATIENT",
    "Cases",
    "Modality",
    "Pixels",
    "Provenance",
    "TableTransform",
    "Transform",
    "fit_table",
    "fit_transform",
]
