"""Small DICOM files of every kind, written where a test asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

Write = Callable[..., Path]


def build(values: np.ndarray, **attributes: Any) -> Dataset:
    """A dataset of stored values, (rows, columns), (frames, rows, columns) or, if RGB, (rows, columns, 3)."""
    dataset = Dataset()
    colour = attributes.get("SamplesPerPixel", 1) == 3
    frames = values.shape[0] if values.ndim == 3 and not colour else 1
    rows, columns = values.shape[:2] if values.ndim == 2 or colour else values.shape[1:]
    bits = 8 * values.dtype.itemsize
    given: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "PatientID": "p1",
        "PatientName": "Doe^Jane",
        "Modality": "MR",
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": attributes.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(values.dtype.kind == "i"),
        **({"NumberOfFrames": frames} if frames > 1 else {}),
        **({"PlanarConfiguration": 0} if colour else {}),
        **attributes,
    }
    for keyword, value in given.items():
        setattr(dataset, keyword, value)
    data = np.ascontiguousarray(values).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the test's own: `write("a.dcm", values, Modality="CT")`."""

    def _write(name: str, values: np.ndarray, **attributes: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        build(values, **attributes).save_as(path, enforce_file_format=True)
        return path

    return _write
