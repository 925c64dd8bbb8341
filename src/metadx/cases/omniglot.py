"""Reading Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from metadx.cases.cases import Cases, Provenance
from metadx.cases.labels import used_classes
from metadx.cases.npz import read_arrays
from metadx.cases.packed import packed_images
from metadx.cases.patients import from_pattern
from metadx.cases.textfile import DAMAGE
from metadx.errors import UserError

ARCHIVES = ("images_background.zip", "images_evaluation.zip")

EVALUATION_ALPHABETS = frozenset(
    (
        "Angelic",
        "Atemayar_Qelisayer",
        "Atlantean",
        "Aurek-Besh",
        "Avesta",
        "Ge_ez",
        "Glagolitic",
        "Gurmukhi",
        "Kannada",
        "Keble",
        "Malayalam",
        "Manipuri",
        "Mongolian",
        "Old_Church_Slavonic_(Cyrillic)",
        "Oriya",
        "Sylheti",
        "Syriac_(Serto)",
        "Tengwar",
        "Tibetan",
        "ULOG",
    )
)
"""The 20 alphabets, 659 characters, of the official evaluation set; the other 30 are the background set."""

_FILE = r"_(\d+)\.png$"


def read_omniglot(path: str | Path) -> Cases:
    """Omniglot as 28 x 28 grey pictures, ink 255 on 0; classes are "alphabet/character01".

    The patient is the drawer: "alphabet/drawer01", for drawers are numbered anew in every alphabet. Splits by
    alphabet therefore share no drawer; splits by character share them all.

    Args:
        path: a .npz with `images`, `labels`, `class_names`, `files`; or a folder with the two official archives,
            images_background.zip and images_evaluation.zip.

    Raises:
        UserError: neither is there, or its content is not Omniglot.

    Source: Lake, Salakhutdinov, Tenenbaum, Science 2015, doi:10.1126/science.aab3050.
    """
    source = Path(path)
    if source.is_dir():
        images, names, files = _from_archives(source)
        done: tuple[str, ...] = ("resized from 105 x 105 to 28 x 28 pixels (antialiased), ink made 255",)
    else:
        arrays = read_arrays(source, ("images", "labels", "class_names", "files"))
        images = packed_images(arrays["images"], source)
        if arrays["labels"].shape != (len(images),) or arrays["files"].shape != (len(images),):
            raise UserError(
                f"{source}: labels or files do not match the {len(images)} pictures. Get it again."
            )
        known = [str(name) for name in arrays["class_names"]]
        label, classes = used_classes(arrays["labels"].astype(np.int64), known, str(source))
        names = [classes[at] for at in label]
        files = [str(file) for file in arrays["files"]]
        done = ()
    drawer = from_pattern(files, _FILE, str(source))
    classes = tuple(sorted(set(names)))
    place = {name: at for at, name in enumerate(classes)}
    return Cases(
        x=images,
        y=np.asarray([place[name] for name in names], dtype=np.int64),
        patient=np.asarray(
            [f"{name.split('/')[0]}/drawer{number}" for name, number in zip(names, drawer, strict=True)]
        ),
        classes=classes,
        modality="image",
        provenance=Provenance(
            source=str(source),
            licence="MIT",
            preprocessing=done,
            notes=("Patients are drawers, numbered within each alphabet.",),
        ),
    )


def rotations(cases: Cases) -> Cases:
    """Every class four times: turned by 0, 90, 180 and 270 degrees, named ".../rot000" to ".../rot270".

    A class and its rotations belong on one side of a split: see `unrotated`.

    Args:
        cases: square pictures.

    Raises:
        UserError: the cases are no square pictures.

    Source: Santoro et al., ICML 2016 (arXiv:1605.06065), who made characters into classes this way.
    """
    if cases.x.ndim != 4 or cases.x.shape[2] != cases.x.shape[3]:
        raise UserError(
            f"{cases.provenance.source}: rotations need square pictures, not {cases.x.shape[1:]}."
        )
    degrees = (0, 90, 180, 270)
    names = [f"{name}/rot{turn:03d}" for name in cases.classes for turn in degrees]
    done = (
        *cases.provenance.preprocessing,
        "each class turned by 0, 90, 180 and 270 degrees as four classes",
    )
    return replace(
        cases,
        x=np.concatenate([np.rot90(cases.x, turn // 90, axes=(2, 3)) for turn in degrees]),
        y=np.concatenate([cases.y * 4 + at for at in range(4)]),
        patient=np.tile(cases.patient, 4),
        site=None if cases.site is None else np.tile(cases.site, 4),
        time=None if cases.time is None else np.tile(cases.time, 4),
        name=None if cases.name is None else np.tile(cases.name, 4),
        group=None if cases.group is None else np.tile(cases.group, 4),
        details={name: np.tile(column, 4) for name, column in cases.details.items()},
        classes=tuple(names),
        provenance=replace(cases.provenance, preprocessing=done),
    )


def unrotated(name: str) -> str:
    """The class that "alphabet/character01/rot090" was turned from; a name without a rotation is itself."""
    head, _, tail = name.rpartition("/")
    return head if tail in ("rot000", "rot090", "rot180", "rot270") else name


def _from_archives(folder: Path) -> tuple[NDArray[np.uint8], list[str], list[str]]:
    images: list[NDArray[np.uint8]] = []
    names: list[str] = []
    files: list[str] = []
    for archive in ARCHIVES:
        file = folder / archive
        if not file.is_file():
            raise UserError(f"{file}: no such archive. Put both of {', '.join(ARCHIVES)} there.")
        try:
            with zipfile.ZipFile(file) as members:
                for member in sorted(members.infolist(), key=lambda info: info.filename):
                    parts = Path(member.filename).parts
                    if member.filename.endswith(".png") and len(parts) == 4 and member.file_size < 100_000:
                        images.append(_picture(members.read(member)))
                        names.append(f"{parts[1]}/{parts[2]}")
                        files.append(parts[3])
        except DAMAGE as why:
            said = " ".join(str(why).split())[:200] or type(why).__name__
            raise UserError(f"{file}: not a sound archive ({said}). Get it again.") from why
    if not images:
        raise UserError(f"{folder}: no characters in {', '.join(ARCHIVES)}. Get them again.")
    return np.stack(images)[:, None], names, files


def _picture(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        if picture.size != (105, 105):
            raise ValueError(f"a picture of {picture.size} pixels, not (105, 105)")
        ink = ImageOps.invert(picture.convert("L"))
    return np.asarray(ink.resize((28, 28), Image.Resampling.LANCZOS), dtype=np.uint8)
