"""What a DICOM header tells of a picture besides its pixels: whose, when, which side, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metadx.cases.dicom.frames import macro
from metadx.cases.dicom.opening import open_dicom, reading
from metadx.cases.dicom.windows import own_window

if TYPE_CHECKING:
    from pydicom import Dataset

OFTEN_BURNED_IN = ("US", "IVUS", "SC", "OT", "ES", "XC", "GM", "SM")
"""Modalities whose pictures often carry a name or a date in their pixels."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


DETAILS = ("study", "series", "modality", "laterality", "view")
"""What of a header becomes `Cases.details`."""


class Header(NamedTuple):
    """What metadx keeps of a header; "" where it says nothing.

    Args:
        patient: PatientID; it identifies a person, so keep it where the data are.
        study, series: UIDs.
        modality: such as CT.
        laterality: L, R, B or U.
        view: view position, such as MLO.
        date: day of acquisition, or else of the study, as 2004-01-19.
        window: the file's own window, such as "40/400", "LUT", or "" where it has none.
        burned_in: "yes", "no", or "perhaps": not said, of a modality that often has text in its pixels.
    """

    patient: str
    study: str
    series: str
    modality: str
    laterality: str
    view: str
    date: str
    window: str
    burned_in: str


def read_header(path: str | Path) -> Header:
    """The header of a DICOM file; its pixels are not read.

    Raises:
        UserError: as `open_dicom`.
    """
    dataset = open_dicom(path, pixels=False)
    with reading(path):
        return header(dataset)


def header(dataset: Dataset) -> Header:
    """The header of an open dataset."""
    frame = macro(dataset, 0, "FrameAnatomySequence")
    return Header(
        patient=_text(dataset, "PatientID"),
        study=_text(dataset, "StudyInstanceUID"),
        series=_text(dataset, "SeriesInstanceUID"),
        modality=_text(dataset, "Modality").upper(),
        laterality=_text(dataset, "ImageLaterality")
        or _text(dataset, "Laterality")
        or _text(frame, "FrameLaterality"),
        view=_text(dataset, "ViewPosition"),
        date=_date(dataset),
        window=_window(dataset),
        burned_in=burned_in(dataset),
    )


def burned_in(dataset: Dataset) -> str:
    """Whether text is in the pixels: "yes", "no", or "perhaps" where the header is silent and it is often so."""
    said = _text(dataset, "BurnedInAnnotation").upper()
    if said in ("YES", "NO"):
        return said.lower()
    captured = _text(dataset, "SOPClassUID").startswith(SECONDARY_CAPTURE)
    often = captured or _text(dataset, "Modality").upper() in OFTEN_BURNED_IN
    return "perhaps" if often else "no"


def text_notes(headers: Sequence[Header]) -> tuple[str, ...]:
    """How many files have, or may have, text burned into their pixels."""
    said = []
    burned = sum(h.burned_in == "yes" for h in headers)
    silent = sum(h.burned_in == "perhaps" for h in headers)
    if burned:
        said.append(f"{burned} of {len(headers)} DICOM files say that text is burned into their pixels.")
    if silent:
        kinds = _some(h.modality or "no modality" for h in headers if h.burned_in == "perhaps")
        said.append(
            f"{silent} of {len(headers)} DICOM files ({kinds}) do not say whether text is burned into their "
            "pixels; look."
        )
    return tuple(said)


def header_notes(headers: Sequence[Header]) -> tuple[str, ...]:
    """What every report on these pictures must say: text in the pixels, and windows that are lacking or differ."""
    said = list(text_notes(headers))
    bare = sum(h.modality == "CT" and not h.window for h in headers)
    if bare:
        said.append(
            f"{bare} CT files have no window of their own and are shown through -160 to 240 Hounsfield units."
        )
    windows = {h.window for h in headers if h.window}
    if len(windows) > 1:
        said.append(
            f"DICOM files are shown through {len(windows)} different windows: {_some(windows)} (centre/width)."
        )
    return tuple(said)


def _text(dataset: Dataset, keyword: str) -> str:
    value: Any = dataset.get(keyword)
    return "" if value is None else " ".join(str(value).replace("\0", " ").split())[:200]


def _date(dataset: Dataset) -> str:
    for keyword in ("AcquisitionDateTime", "AcquisitionDate", "ContentDate", "StudyDate"):
        digits = _text(dataset, keyword)[:8]
        try:
            return datetime.strptime(digits, "%Y%m%d").date().isoformat()
        except ValueError:
            continue
    return ""


def _window(dataset: Dataset) -> str:
    item = macro(dataset, 0, "FrameVOILUTSequence")
    if item.get("VOILUTSequence"):
        return "LUT"
    window = own_window(item)
    return "" if window is None else f"{window.centre:g}/{window.width:g}"


def _some(words: Iterable[str]) -> str:
    names = sorted(set(words))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
