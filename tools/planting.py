"""Clean cases of many kinds, and leaks planted among them, to measure what the audit finds."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, Provenance, entry, load
from metadx.cases.columns import encode
from metadx.cases.labels import number_classes

Array = NDArray[Any]
Plant = Callable[[Array, np.random.Generator], Array]

PICTURES = ("herlev", "chula", "mednist", "pneumoniamnist", "aml", "ham10000", "nct_crc", "lc25000")
ARFF = ("arrhythmia", "dermatology", "diabetes", "hepatitis", "hypothyroid", "pbc", "column3C")
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")


def pictures() -> Iterator[tuple[str, Cases]]:
    """The picture sets."""
    for name in PICTURES:
        words = None if entry(name).patient_ids else EVERY_CASE_ITS_OWN_PATIENT
        yield name, clean(load(name, allow_unverified=True, patients=words))


def tables() -> Iterator[tuple[str, Cases]]:
    """Thyroid, clinical tables, heart disease at four hospitals."""
    root = Path(os.environ["METADX_DATA"]) / "clinical"
    yield "thyroid", clean(load("thyroid"))
    for name in ARFF:
        yield name.lower(), clean(_arff(root / "arff" / f"{name}.arff"))
    rows: list[list[str]] = []
    for name in HOSPITALS:
        text = (root / "heart_disease" / f"processed.{name}.data").read_text()
        rows += [line.split(",") for line in text.splitlines() if line]
    yield "heart-disease", clean(_table("heart disease", [f"column {at}" for at in range(14)], rows))


def studies() -> Iterator[tuple[str, Cases]]:
    """The expression studies, of thousands of genes each."""
    root = Path(os.environ["METADX_DATA"]) / "genomics" / "cancer_expression"
    for path in sorted(root.glob("*_database.txt.gz")):
        yield path.name.partition("_")[0], clean(_expression(path))


def clean(cases: Cases) -> Cases:
    """The cases without those that equal another in every value, each another patient's as far as the data say."""
    _, first = np.unique(np.nan_to_num(cases.x.reshape(len(cases), -1), nan=-1e9), axis=0, return_index=True)
    ids = np.asarray([f"p{at}" for at in range(len(cases))])
    kept = tuple(note for note in cases.provenance.notes if "No patient ids" not in note)
    own = replace(cases, patient=ids, name=None, provenance=replace(cases.provenance, notes=kept))
    return own.select(np.sort(first))


def planted(cases: Cases, plant: Plant, rng: np.random.Generator, most: int = 100) -> tuple[Cases, Array]:
    """The cases shuffled with altered copies of some under new ids; and the pairs, shape (plants, 2)."""
    count = min(max(len(cases) // 20, 3), most)
    at = rng.choice(len(cases), count, replace=False)
    copies = np.stack([plant(cases.x[i], rng) for i in at]).astype(cases.x.dtype)
    order = rng.permutation(len(cases) + count)
    place = np.argsort(order)
    both = replace(
        cases,
        x=np.concatenate([cases.x, copies])[order],
        y=np.concatenate([cases.y, cases.y[at]])[order],
        patient=np.concatenate([cases.patient, [f"copy {i}" for i in range(count)]])[order],
        site=None,
        time=None,
        name=None,
    )
    return both, np.stack([place[at], place[len(cases) :]], axis=1)


def equal(x: Array, rng: np.random.Generator) -> Array:
    """The case as it is."""
    return x


def rounded(row: Array, rng: np.random.Generator) -> Array:
    """A row with one decimal fewer wherever there are decimals."""
    return np.asarray(
        [value if np.isnan(value) else round(value, max(_decimals(value) - 1, 0)) for value in row]
    )


def second_visit(row: Array, rng: np.random.Generator) -> Array:
    """A row in which a fifth of the measurements, those that are no flags, have moved by some 10 %.

    They keep their number of decimals.
    """
    moved = row.copy()
    at = np.flatnonzero(np.isfinite(row) & (row != 0) & (row != 1))
    if len(at):
        few = rng.choice(at, max(len(at) // 5, 1), replace=False)
        moved[few] = [round(v * rng.normal(1, 0.1), _decimals(v)) for v in row[few]]
    return moved


def resized(picture: Array, rng: np.random.Generator) -> Array:
    """A picture that was made 50 to 90 % as large, and read at its old size."""
    height, width = picture.shape[1:]
    share = rng.uniform(0.5, 0.9)
    small = _image(picture).resize((round(width * share), round(height * share)), Image.Resampling.BILINEAR)
    return _array(small.resize((width, height), Image.Resampling.BILINEAR))


def reencoded(picture: Array, rng: np.random.Generator) -> Array:
    """A picture as a JPEG of quality 60 to 90."""
    file = io.BytesIO()
    _image(picture).save(file, "JPEG", quality=int(rng.integers(60, 91)))
    return _array(Image.open(file))


def rotated(picture: Array, rng: np.random.Generator) -> Array:
    """A picture turned by 90, 180 or 270 degrees."""
    return np.rot90(picture, int(rng.integers(1, 4)), axes=(1, 2))


def mirrored(picture: Array, rng: np.random.Generator) -> Array:
    """A picture from left to right."""
    return picture[:, :, ::-1]


def all_at_once(picture: Array, rng: np.random.Generator) -> Array:
    """A picture resized, turned and encoded again."""
    return reencoded(np.ascontiguousarray(rotated(resized(picture, rng), rng)), rng)


def _decimals(value: float) -> int:
    return len(f"{value:.6g}".partition(".")[2])


def _image(picture: Array) -> Image.Image:
    return Image.fromarray(
        picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    )


def _array(image: Image.Image) -> Array:
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def _arff(path: Path) -> Cases:
    names: list[str] = []
    rows: list[list[str]] = []
    for line in path.read_text(encoding="latin-1").splitlines():
        text = line.strip()
        if text.lower().startswith("@attribute"):
            rest = text.split(None, 1)[1]
            names.append(rest[1:].partition("'")[0] if rest[0] == "'" else rest.split()[0])
        elif text and text[0] not in "@%":
            rows.append([cell.strip().strip("'") for cell in text.split(",")])
    return _table(path.stem, names, rows)


def _table(source: str, names: list[str], rows: list[list[str]]) -> Cases:
    """A table whose label is the column named class, or else the last."""
    columns = dict(zip(names, np.asarray(rows, dtype=object).T, strict=True))
    last = next((name for name in names if name.lower() == "class"), names[-1])
    label, classes = number_classes([str(cell) for cell in columns.pop(last)], source)
    columns = {name: cells for name, cells in columns.items() if set(cells) - {"?"}}
    x, features, _ = encode(columns, source)
    return _cases(x, label, classes, features, source)


def _expression(path: Path) -> Cases:
    with gzip.open(path, "rt") as file:
        header, *rows = [line.rstrip("\n").split("\t") for line in file]
    label, classes = number_classes(header[1:], path.name)
    values = np.asarray([[float(cell or "nan") for cell in row[1:]] for row in rows])
    names = tuple(f"gene {at}" for at in range(len(rows)))
    return _cases(values.T.copy(), label, classes, names, path.name)


def _cases(x: Array, y: Array, classes: tuple[str, ...], features: tuple[str, ...], source: str) -> Cases:
    ids = np.asarray([f"p{at}" for at in range(len(x))])
    return Cases(x, y, ids, classes, "table", Provenance(source), features=features)
