"""Taking a patient's identity out of a DICOM header, after the basic profile of PS3.15."""

from __future__ import annotations

import csv
import functools
import hashlib
import hmac
import secrets
from importlib import resources
from typing import TYPE_CHECKING, Any

from metadx.cases.dicom.headers import burned_in
from metadx.cases.dicom.opening import reading
from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

METHOD = "metadx: tags of the basic profile, PS3.15 2026c table E.1-1"

_KEY_OF_THIS_PROCESS = secrets.token_bytes(32)
_STANDARD_ROOT = "1.2.840.10008."
_WHEN = ("DA", "DT", "TM")
_NUMBERS = ("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV")
_BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
_DUMMIES = {"AS": "000Y", "DS": "0", "IS": "0", "UR": "urn:removed"}


def deidentify(dataset: Dataset, *, key: bytes | None = None, pixels_checked: bool = False) -> Dataset:
    """A copy without the tags that the basic profile of PS3.15 lists; the dataset given is left as it is.

    UIDs are replaced, the same one by the same one, and so is the patient's id, so that a patient's files still
    belong together. Dates and times are emptied or removed, listed or not; private tags, overlays and curves are
    removed, and so are listed sequences. Pixels are left as they are: whoever gives away a picture must look at it.
    Free text that the profile does not list is kept.

    Args:
        dataset: with or without pixels.
        key: secret of at least 16 bytes that the new ids are made with; keep it to continue a set later, destroy it
            so that nobody can link the new ids to the old. One of this process by default.
        pixels_checked: whether someone looked for text in the pixels; without it a picture that says it has
            some, or is of a kind that often has, is refused.

    Raises:
        UserError: text may be burned into the pixels, a short key, or a damaged dataset.
    """
    if key is not None and len(key) < 16:
        raise UserError(
            f"a key of {len(key)} bytes can be guessed. Give at least 16, such as secrets.token_bytes(32)."
        )
    with reading("dataset"):
        risk = burned_in(dataset)
        if risk != "no" and not pixels_checked and "PixelData" in dataset:
            raise UserError(
                f"text {'is' if risk == 'yes' else 'may be'} burned into the pixels, which could name the patient. "
                "Look at them, blank it out, and give pixels_checked=True."
            )
        secret = _KEY_OF_THIS_PROCESS if key is None else key
        cleaned = _clean(dataset, secret)
        cleaned.PatientIdentityRemoved = "YES"
        cleaned.DeidentificationMethod = METHOD
        cleaned.LongitudinalTemporalInformationModified = "REMOVED"
        _copy_encoding(dataset, cleaned)
        return cleaned


def _clean(dataset: Dataset, key: bytes) -> Dataset:
    """The elements that may stay, cleaned, in a dataset of their own."""
    from pydicom import Dataset

    cleaned = Dataset()
    for element in dataset:
        kept = _cleaned(element, key)
        if kept is not None:
            cleaned.add(kept)
    return cleaned


def _cleaned(element: DataElement, key: bytes) -> DataElement | None:
    """What becomes of one element; None removes it."""
    from pydicom import DataElement, Sequence
    from pydicom.datadict import dictionary_has_tag, keyword_for_tag

    tag, vr = element.tag, str(element.VR)
    action = basic_profile().get(int(tag))
    repeating = tag.group & 0xFF00 in (0x5000, 0x6000)
    curve_or_overlay = repeating and (tag.group < 0x6000 or tag.element in (0x3000, 0x4000))
    unknown = not repeating and not dictionary_has_tag(tag)
    if tag.is_private or tag.group == 2 or curve_or_overlay or unknown or action == "X":
        return None
    if vr == "UI":
        return DataElement(tag, vr, _new_uids(element.value, key))
    if vr == "SQ":
        return (
            None if action else DataElement(tag, vr, Sequence([_clean(item, key) for item in element.value]))
        )
    if vr in _WHEN:
        return DataElement(tag, vr, "") if action else None
    if action is None:
        return element
    if keyword_for_tag(tag) == "PatientID":
        return DataElement(tag, vr, _digest(str(element.value), key).hex()[:16] if element.value else "")
    return DataElement(tag, vr, _dummy(vr) if "D" in action else _empty(vr))


def _dummy(vr: str) -> Any:
    if vr in _NUMBERS:
        return 0
    if vr in _BYTES:
        return b"\0\0"
    return _DUMMIES.get(vr, "REMOVED")


def _empty(vr: str) -> Any:
    return None if vr in _NUMBERS or vr in _BYTES else ""


def _new_uids(value: Any, key: bytes) -> Any:
    """UIDs made with the key; those of the standard itself stay."""
    from pydicom.multival import MultiValue

    if isinstance(value, MultiValue | list):
        return [_new_uids(one, key) for one in value]
    if not value or str(value).startswith(_STANDARD_ROOT):
        return value
    return f"2.25.{int.from_bytes(_digest(str(value), key)[:16], 'big')}"


def _digest(text: str, key: bytes) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)


def _copy_encoding(dataset: Dataset, cleaned: Dataset) -> None:
    """What writing the copy needs: its transfer syntax, and the class and new UID of the picture."""
    from pydicom.dataset import FileMetaDataset

    implicit, little = dataset.original_encoding
    if implicit is not None and little is not None:
        cleaned.set_original_encoding(implicit, little)
    meta = getattr(dataset, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        return
    fresh = FileMetaDataset()
    fresh.TransferSyntaxUID = meta.TransferSyntaxUID
    if "SOPClassUID" in cleaned:
        fresh.MediaStorageSOPClassUID = cleaned.SOPClassUID
    if "SOPInstanceUID" in cleaned:
        fresh.MediaStorageSOPInstanceUID = cleaned.SOPInstanceUID
    cleaned.file_meta = fresh


@functools.cache
def basic_profile() -> dict[int, str]:
    """The action of each tag of table E.1-1: X removes, Z empties, D puts a dummy, U another UID."""
    text = (resources.files("metadx.cases.dicom") / "basic_profile.csv").read_text(encoding="utf-8")
    return {int(row["tag"], 16): row["action"] for row in csv.DictReader(text.splitlines())}
