"""What kind of picture a file is: by its suffix, or by DICOM's mark where the suffix says nothing."""

from __future__ import annotations

from pathlib import Path

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Read by Pillow; files of other names may be DICOM, which often have no suffix."""

_MARK_AT, _MARK = 128, b"DICM"


def is_dicom(path: str | Path) -> bool:
    """Whether a file carries the mark of DICOM, whatever its name."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK
    except OSError:
        return False


def is_index(path: Path) -> bool:
    """Whether a file is the index of a DICOM medium rather than a picture."""
    return path.stem.upper() == "DICOMDIR"


def read_as_dicom(path: Path) -> bool:
    """Whether a picture's file is to be read as DICOM."""
    suffix = path.suffix.lower()
    return suffix not in PICTURE_SUFFIXES and not is_index(path) and (suffix == ".dcm" or is_dicom(path))


def is_picture(path: Path) -> bool:
    """Whether a file counts as a picture where a folder also holds others."""
    return path.suffix.lower() in PICTURE_SUFFIXES or read_as_dicom(path)
