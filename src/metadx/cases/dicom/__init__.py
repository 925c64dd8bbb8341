"""DICOM files: pixels as they are meant to be seen, headers, series as volumes, and de-identification."""

from metadx.cases.dicom.deidentify import deidentify
from metadx.cases.dicom.headers import Header, header_notes, read_header
from metadx.cases.dicom.pixels import read_dicom, read_dicom_values
from metadx.cases.dicom.series import find_series, read_volume
from metadx.cases.dicom.windows import CT_WINDOW, Window

__all__ = [
    "CT_WINDOW",
    "Header",
    "Window",
    "deidentify",
    "find_series",
    "header_notes",
    "read_dicom",
    "read_dicom_values",
    "read_header",
    "read_volume",
]
