"""Reading MedMNIST archives: small biomedical pictures in three official splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.labels import used_classes
from metadx.cases.npz import read_arrays
from metadx.cases.patients import VOUCHED, vouched
from metadx.errors import UserError

SPLITS = ("train", "val", "test")


def read_medmnist(
    path: str | Path, classes: Sequence[str] | None = None, *, patients: str | None = None
) -> Cases:
    """Cases from an archive with `{train,val,test}_{images,labels}`, the three splits one after the other.

    The official splits are merged because MedMNIST carries no patient ids; the provenance notes where each
    begins, so that it can be taken apart again with `Cases.select`.

    Args:
        path: the .npz file, at any of its sizes (28, 64, 128, 224 pixels).
        classes: the name of each label, in its order; the label numbers by default.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`: MedMNIST carries no patient ids.

    Raises:
        UserError: no such archive, several labels per case, volumes, one class only, or no word about patients.

    Source: Yang et al., MedMNIST v2, Scientific Data 2023, doi:10.1038/s41597-022-01721-8.
    """
    file = Path(path)
    arrays = read_arrays(file, [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")])
    images = [_images(arrays[f"{split}_images"], split, file) for split in SPLITS]
    labels = [_labels(arrays[f"{split}_labels"], split, file) for split in SPLITS]
    for split, x, y in zip(SPLITS, images, labels, strict=True):
        if len(x) != len(y):
            raise UserError(f"{file}: {len(x)} pictures but {len(y)} labels in {split}. Get the file again.")
        if x.shape[1:] != images[0].shape[1:]:
            raise UserError(
                f"{file}: pictures of {split} are {x.shape[1:]}, of train {images[0].shape[1:]}. Get it again."
            )
    label = np.concatenate(labels)
    names = [str(number) for number in range(int(label.max(initial=0)) + 1)] if classes is None else classes
    y, used = used_classes(label, names, str(file))
    patient = vouched(patients, len(y), str(file), otherwise="MedMNIST carries none: use data that do")
    lengths = ", ".join(f"{split} {len(y)}" for split, y in zip(SPLITS, labels, strict=True))
    return Cases(
        x=np.concatenate(images),
        y=y,
        patient=patient,
        classes=used,
        modality="image",
        provenance=Provenance(
            source=str(file),
            preprocessing=(f"official splits merged, in this order: {lengths}",),
            notes=(VOUCHED,),
        ),
        name=np.asarray([f"{s}/{at}" for s, x in zip(SPLITS, images, strict=True) for at in range(len(x))]),
    )


def _images(images: NDArray[Any], split: str, path: Path) -> NDArray[np.uint8]:
    """Pictures as uint8, shape (cases, channels, height, width)."""
    if images.dtype != np.uint8:
        raise UserError(f"{path}: {split}_images are {images.dtype}, not uint8. Get the official file.")
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[-1] == 3:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if images.ndim in (4, 5):
        raise UserError(
            f"{path}: {split}_images are volumes of shape {images.shape[1:]}. Only pictures are read."
        )
    raise UserError(f"{path}: {split}_images have shape {images.shape}. Get the official file.")


def _labels(labels: NDArray[Any], split: str, path: Path) -> NDArray[np.int64]:
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise UserError(
            f"{path}: {split}_labels are multi-label, {labels.shape[1]} per case. Only one label per case is read: "
            "choose another set."
        )
    if labels.dtype.kind not in "iu" or labels.size != len(labels):
        raise UserError(
            f"{path}: {split}_labels are {labels.dtype} of shape {labels.shape}. Get the file again."
        )
    return labels.reshape(-1).astype(np.int64)
