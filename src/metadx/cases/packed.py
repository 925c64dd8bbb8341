"""Reading one archive of pictures with their labels, class names and groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.labels import used_classes
from metadx.cases.npz import read_arrays
from metadx.cases.patients import VOUCHED, from_pattern, vouched
from metadx.errors import UserError


def read_packed(
    path: str | Path,
    *,
    patients: str | None = None,
    patient_array: str | None = None,
    patient_pattern: str | None = None,
) -> Cases:
    """Cases from a .npz with `images`, `labels`, `class_names`, and perhaps `groups` and `files`.

    Args:
        path: the .npz file; images are uint8, (cases, height, width) or (cases, height, width, 3).
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, where no array tells whose case it is; the cases of one of
            `groups` (copies of one picture) then count as one patient's.
        patient_array: the array, `groups` or `files`, that tells whose case each is.
        patient_pattern: a regular expression whose group 1 is the patient id in that array's text; all of the
            text by default.

    Raises:
        UserError: no such archive, arrays that do not belong together, one class only, no patient ids.
    """
    file = Path(path)
    extra = () if patient_array is None else (patient_array,)
    asked = ("images", "labels", "class_names", *extra)
    arrays = read_arrays(file, asked, optional=("resampled", "groups", "files"))
    x = packed_images(arrays["images"], file)
    label = arrays["labels"]
    if label.shape != (len(x),) or label.dtype.kind not in "iu":
        raise UserError(f"{file}: labels are {label.dtype} of shape {label.shape} for {len(x)} pictures.")
    y, classes = used_classes(
        label.astype(np.int64), [str(name) for name in arrays["class_names"]], str(file)
    )
    notes: tuple[str, ...] = ()
    if patient_array is None:
        mend = "Name the array that holds them with patient_array="
        patient = vouched(patients, len(x), str(file), otherwise=mend)
        notes = (VOUCHED,)
        if "groups" in arrays:  # copies of one picture stay together
            patient = arrays["groups"].astype(np.str_)
    else:
        text = [str(name) for name in arrays[patient_array]]
        patient = from_pattern(text, patient_pattern or r"^(.+)$", str(file))
    if "resampled" in arrays and arrays["resampled"].any():
        notes += (
            f"{int(arrays['resampled'].sum())} of {len(x)} pictures are an uploader's augmented copies.",
        )
    return Cases(
        x=x,
        y=y,
        patient=patient,
        classes=classes,
        modality="image",
        provenance=Provenance(source=str(file), notes=notes),
        name=arrays["files"].astype(np.str_) if "files" in arrays else None,
    )


def packed_images(images: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """Pictures as uint8, shape (cases, channels, height, width).

    Raises:
        UserError: another type or shape.
    """
    if images.dtype == np.uint8 and images.ndim == 3:
        return images[:, None]
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] == 3:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    raise UserError(
        f"{path}: images are {images.dtype} of shape {images.shape}; uint8, (cases, height, width) or "
        "(cases, height, width, 3), are read."
    )
