"""Readers of pictures and scans: files in class folders, manifests, archives, MedIMeta, DICOM and NIfTI."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image

from cases.making import TASKS, write_medimeta, write_scans
from cases.test_scans import write_series
from contracts.reader import VOUCHED, Reader
from metadx.cases import (
    Reading,
    Scans,
    read_files,
    read_folders,
    read_medimeta,
    read_medmnist,
    read_omniglot,
    read_packed,
    read_scan_folders,
    read_table,
)


def pictures(suffix: str) -> Callable[[Path], Sequence[Path]]:
    """Class folders of small pictures, grey or, as JPEG, in colour."""

    def write(folder: Path) -> Sequence[Path]:
        rng = np.random.default_rng(0)
        for at in range(4):
            place = folder / "set" / "ab"[at % 2] / f"p{at}_x{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shape = (12, 10, 3) if suffix == ".jpg" else (12, 10)
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(place)
        return sorted((folder / "set").rglob(f"*{suffix}"))

    return write


def archive(**arrays: Any) -> Callable[[Path], Sequence[Path]]:
    """One .npz archive."""

    def write(folder: Path) -> Sequence[Path]:
        np.savez_compressed(folder / "set.npz", **arrays)
        return [folder / "set.npz"]

    return write


def _medmnist(shape: tuple[int, ...], labels: int) -> Callable[[Path], Sequence[Path]]:
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 6), ("val", 4), ("test", 4)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count)[:, None] // (1 + np.arange(labels)) % 2).astype(
            np.uint8
        )
    return archive(**arrays)


def _packed() -> Callable[[Path], Sequence[Path]]:
    rng = np.random.default_rng(0)
    return archive(
        images=rng.integers(0, 256, (6, 7, 8, 3), dtype=np.uint8),
        labels=np.arange(6) % 2,
        class_names=np.array(["a", "b"]),
        groups=np.array([f"g{at // 2}" for at in range(6)]),
        files=np.array([f"p{at}_x.png" for at in range(6)]),
    )


def omniglot(folder: Path) -> Sequence[Path]:
    """The two official archives, of two characters of two drawers each."""
    for name, alphabet in (("background", "Greek"), ("evaluation", "Tengwar")):
        with zipfile.ZipFile(folder / f"images_{name}.zip", "w") as out:
            for at in range(4):
                picture = io.BytesIO()
                Image.new("1", (105, 105), at % 2).save(picture, "PNG")
                place = f"images_{name}/{alphabet}/character0{1 + at // 2}/000{at}_0{1 + at % 2}.png"
                out.writestr(place, picture.getvalue())
    return sorted(folder.glob("*.zip"))


def medimeta(folder: Path) -> Sequence[Path]:
    """A MedIMeta folder with pictures as TIFF; those in HDF5 are read in processes of their own."""
    root = write_medimeta(folder / "set", count=12, side=5, tasks=TASKS[:4], packed=False)
    return [
        root / "info.yaml",
        root / "annotations.csv",
        root / "task_labels" / "cell type.npy",
        root / "splits" / "train.txt",
        root / "images" / "000003.tiff",
    ]


def packed_medimeta(folder: Path) -> Sequence[Path]:
    """A MedIMeta folder with pictures in HDF5, which is read in a process of its own."""
    return [write_medimeta(folder / "set", count=12, side=5, tasks=TASKS[:4]) / "images.hdf5"]


def nifti(folder: Path) -> Sequence[Path]:
    """Class folders of gzipped NIfTI."""
    return sorted(write_scans(folder / "set", scans=2, side=4).rglob("*.nii.gz"))


def series(folder: Path) -> Sequence[Path]:
    """Class folders of DICOM series, without the private tags that are most of a header."""
    for at in range(2):
        write_series(folder / "set" / "ab"[at] / "s", f"p{at}", 2)
    files = sorted((folder / "set").rglob("IM*"))
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.remove_private_tags()
        dataset.save_as(file)
    return files


def _manifest(folder: Path) -> Sequence[Path]:
    files = pictures(".png")(folder)
    rows = [f"{file.parent.name},p{at},{file.relative_to(folder)}" for at, file in enumerate(files)]
    (folder / "m.csv").write_text("\n".join(["label,patient,path", *rows]) + "\n")
    return [folder / "m.csv"]


PICTURES = (
    Reader("manifest", _manifest, lambda f: read_table(f / "m.csv", patients=VOUCHED)),
    Reader(
        "class folders, PNG",
        pictures(".png"),
        lambda f: read_folders(f / "set", patients=VOUCHED),
        exact=True,
    ),
    Reader("class folders, JPEG", pictures(".jpg"), lambda f: read_folders(f / "set", patients=VOUCHED)),
    Reader("class folders, TIFF", pictures(".tif"), lambda f: read_folders(f / "set", patients=VOUCHED)),
    Reader(
        "MedMNIST", _medmnist((9, 8), 1), lambda f: read_medmnist(f / "set.npz", patients=VOUCHED), exact=True
    ),
    Reader(
        "MedMNIST, volumes",
        _medmnist((5, 6, 7), 1),
        lambda f: read_files(f / "set.npz", Reading(patients=VOUCHED)),
        exact=True,
    ),
    Reader(
        "MedMNIST, several labels",
        _medmnist((9, 8, 3), 3),
        lambda f: read_medmnist(f / "set.npz", ["a", "b", "c"], label="b", patients=VOUCHED),
        exact=True,
    ),
    Reader(
        "packed",
        _packed(),
        lambda f: read_packed(f / "set.npz", patient_array="files", patient_pattern=r"^(p\d)_"),
        exact=True,
    ),
    Reader("Omniglot", omniglot, read_omniglot, quick=20),
    Reader("MedIMeta", medimeta, lambda f: read_medimeta(f / "set", task="cell type", patients=VOUCHED)),
    Reader(
        "MedIMeta, several labels",
        medimeta,
        lambda f: read_medimeta(f / "set", task="signs", label="scar", patients=VOUCHED),
        quick=20,
    ),
    Reader(
        "MedIMeta, HDF5",
        packed_medimeta,
        lambda f: read_medimeta(f / "set", task="cell type", patients=VOUCHED),
        quick=12,
        proof=100,
    ),
    Reader(
        "NIfTI volumes", nifti, lambda f: read_scan_folders(f / "set", patients=VOUCHED), exact=True, quick=30
    ),
    Reader(
        "DICOM slices",
        series,
        lambda f: read_scan_folders(f / "set", Scans(slices=1), patients=VOUCHED),
        quick=30,
    ),
    Reader("DICOM pictures", series, lambda f: read_folders(f / "set", patients=VOUCHED), quick=30),
)
