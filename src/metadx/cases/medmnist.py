"""Reading MedMNIST archives: small biomedical pictures, or volumes, in three official splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.labels import used_classes
from metadx.cases.multilabel import one_of_many
from metadx.cases.npz import read_arrays
from metadx.cases.patients import VOUCHED, vouched
from metadx.errors import UserError

SPLITS = ("train", "val", "test")


def read_medmnist(
    path: str | Path,
    classes: Sequence[str] | None = None,
    *,
    label: str | None = None,
    patients: str | None = None,
) -> Cases:
    """Cases from an archive with `{train,val,test}_{images,labels}`, the three splits one after the other.

    The official splits are merged because MedMNIST carries no patient ids; the provenance notes where each
    begins, so that it can be taken apart again with `Cases.select`. Volumes have shape (1, depth, height, width).

    Args:
        path: the .npz file, at any of its sizes (28, 64, 128, 224 pixels).
        classes: the name of each label, in its order; the label numbers by default.
        label: where a case has several labels, as in ChestMNIST, the one that is to be told apart from its absence;
            or "exactly one": see `metadx.cases.multilabel.one_of_many`.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`: MedMNIST carries no patient ids.

    Raises:
        UserError: no such archive, several labels per case and none chosen, one class only, or no word about
            patients.

    Source: Yang et al., MedMNIST v2, Scientific Data 2023, doi:10.1038/s41597-022-01721-8.
    """
    file = Path(path)
    arrays = read_arrays(file, [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")])
    images = [_images(arrays[f"{split}_images"], split, file) for split in SPLITS]
    labels = [_labels(arrays[f"{split}_labels"], split, file) for split in SPLITS]
    for split, part, y in zip(SPLITS, images, labels, strict=True):
        if len(part) != len(y):
            raise UserError(
                f"{file}: {len(part)} pictures but {len(y)} labels in {split}. Get the file again."
            )
        if part.shape[1:] != images[0].shape[1:]:
            raise UserError(
                f"{file}: pictures of {split} are {part.shape[1:]}, of train {images[0].shape[1:]}. Get it again."
            )
        if y.shape[1] != labels[0].shape[1]:
            raise UserError(
                f"{file}: {y.shape[1]} labels per case in {split}, {labels[0].shape[1]} in train."
            )
    table = np.concatenate(labels)
    several = table.shape[1] > 1
    count = table.shape[1] if several else int(table.max(initial=0)) + 1
    names = tuple(classes) if classes is not None else tuple(str(number) for number in range(count))
    kept, done = np.arange(len(table)), tuple[str, ...]()
    if several:
        kept, y, used, done = one_of_many(table, names, label, str(file))
    else:
        if label is not None:
            raise UserError(f"{file}: one label per case; label='{label[:60]}' is for several. Leave it out.")
        y, used = used_classes(table[:, 0], names, str(file))
    patient = vouched(patients, len(table), str(file), otherwise="MedMNIST carries none: use data that do")
    lengths = ", ".join(f"{split} {len(y)}" for split, y in zip(SPLITS, labels, strict=True))
    name = np.asarray(
        [f"{s}/{at}" for s, part in zip(SPLITS, images, strict=True) for at in range(len(part))]
    )
    x = np.concatenate(images)
    return Cases(
        x=x if len(kept) == len(x) else x[kept],
        y=y,
        patient=patient[kept],
        classes=used,
        modality="image",
        provenance=Provenance(
            source=str(file),
            preprocessing=(f"official splits merged, in this order: {lengths}", *done),
            notes=(VOUCHED,),
        ),
        name=name[kept],
    )


def _images(images: NDArray[Any], split: str, path: Path) -> NDArray[np.uint8]:
    """Pictures as uint8, shape (cases, channels, height, width), or volumes, (cases, 1, depth, height, width)."""
    if images.dtype != np.uint8:
        raise UserError(f"{path}: {split}_images are {images.dtype}, not uint8. Get the official file.")
    if 0 in images.shape:
        raise UserError(f"{path}: {split}_images are empty, of shape {images.shape}. Get the official file.")
    if images.ndim == 4 and images.shape[-1] == 3:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if images.ndim in (3, 4):
        return images[:, None]
    raise UserError(f"{path}: {split}_images have shape {images.shape}. Get the official file.")


def _labels(labels: NDArray[Any], split: str, path: Path) -> NDArray[np.int64]:
    """Labels, shape (cases, labels per case)."""
    if labels.dtype.kind not in "iu" or labels.ndim not in (1, 2) or labels.size == 0:
        raise UserError(
            f"{path}: {split}_labels are {labels.dtype} of shape {labels.shape}. Get the file again."
        )
    return labels.reshape(len(labels), -1).astype(np.int64)
