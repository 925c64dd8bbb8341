"""What a model takes: which observations, in which columns or pixels, and how they become network inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Modality
from metadx.cases.own_columns import OwnColumns
from metadx.cases.pictures import MAX_PIXELS
from metadx.cases.preprocess import PictureTransform, Pixels, SignalTransform, TableTransform, Transform
from metadx.cases.scans import Scans
from metadx.cases.volumes import MAX_VOXELS
from metadx.cases.whitening import DIRECTIONS, Whitened
from metadx.errors import UserError

Arrays = dict[str, NDArray[Any]]
_MOST_SAMPLES = 10_000_000

_WHITENED = ("mean", "scale", "directions", "kept")

MAX_COLUMNS = 10_000_000
"""Columns of a table that a bundle may ask for."""


@dataclass(frozen=True)
class Inputs:
    """The observations a model was trained on, as far as new ones must resemble them.

    Args:
        modality: what kind of observation.
        features: the name of each column of a table; empty otherwise.
        transform: observations to network inputs, fitted on meta-training cases.
        bits: how many bits of 16-bit grey pictures hold values; None for pictures as they are.
        scans: what of a scan is a picture or a volume; None where there were no scans.
        reader: what reads a file of one person into cases; empty where columns are found by name.
        reach: how far before and after its time a case's window and target reach, in the reader's unit of time.
        time: the column of a table that is the time of the case, if there is one.
    """

    modality: Modality
    features: tuple[str, ...]
    transform: Transform
    bits: int | None = None
    scans: Scans | None = None
    reader: str = ""
    reach: tuple[float, float] = (0.0, 0.0)
    time: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        if isinstance(self.transform, PictureTransform):
            return self.transform.pictures
        return (len(self.features),) if self.rows else self.transform.shape

    @property
    def rows(self) -> bool:
        """Whether an observation is a row of columns with names."""
        return isinstance(self.transform, TableTransform | OwnColumns)

    @property
    def open(self) -> bool:
        """Whether the columns are those of each support set, rather than those of the training."""
        return isinstance(self.transform, OwnColumns) and not self.features


def inputs_of(
    cases: Cases, transform: Transform, bits: int | None = None, scans: Scans | None = None
) -> Inputs:
    """What a model of these cases takes.

    Args:
        cases: those of meta-training.
        transform: fitted on them.
        bits, scans: as for `Inputs`.
    """
    return Inputs(
        cases.modality, cases.features, transform, bits, scans, cases.reader, cases.reach, cases.time_column
    )


def storable(inputs: Inputs) -> bool:
    """Whether `inputs_to_parts` can take them apart."""
    return isinstance(inputs.transform, PictureTransform | TableTransform | SignalTransform | OwnColumns)


def inputs_to_parts(inputs: Inputs) -> tuple[dict[str, Any], Arrays]:
    """Inputs as plain data and arrays, for JSON and safetensors."""
    plain: dict[str, Any] = {
        "modality": inputs.modality,
        "features": list(inputs.features),
        "bits": inputs.bits,
        "scans": None if inputs.scans is None else asdict(inputs.scans),
        "reader": inputs.reader,
        "reach": list(inputs.reach),
        "time": inputs.time,
    }
    arrays: Arrays
    transform = inputs.transform
    if isinstance(transform, Whitened):
        whitened: Arrays = {name: getattr(transform, name) for name in _WHITENED}
        base = {"base": transform.base.name, "parts": list(transform.parts)}
        return plain | base | {"transform": transform.name, "shape": list(transform.pictures)}, whitened
    if isinstance(transform, PictureTransform):
        return plain | {"transform": transform.name, "shape": list(transform.pictures)}, {}
    if isinstance(transform, SignalTransform):
        arrays = {"mean": transform.mean, "std": transform.std}
        return plain | {"transform": "signal", "shape": list(transform.shape)}, arrays
    if isinstance(transform, OwnColumns):
        return plain | {"transform": "own columns", "width": transform.width}, {"fill": transform.fill}
    if not isinstance(transform, TableTransform):
        raise UserError(
            f"a {type(transform).__name__} cannot be stored; use a table's, a picture's or a signal's transform"
        )
    arrays = {name: getattr(transform, name) for name in ("log", "mean", "std", "ranked", "flagged", "rate")}
    lengths = np.array([len(values) for values in transform.sorted], dtype=np.int64)
    arrays |= {"sorted": np.concatenate([*transform.sorted, np.zeros(0)]), "sorted_lengths": lengths}
    return plain | {"transform": "table"}, arrays


def inputs_from_parts(
    plain: dict[str, Any], arrays: Arrays, backbones: Mapping[str, Callable[[tuple[int, ...]], Transform]]
) -> Inputs:
    """What `inputs_to_parts` took apart.

    Args:
        plain, arrays: the parts.
        backbones: makers of frozen networks by name, from the shape of a picture.

    Raises:
        KeyError, TypeError, ValueError: the parts do not fit together.
    """
    features, bits = tuple(plain["features"]), plain["bits"]
    if plain["transform"] == "signal":
        return _signals(plain, arrays)
    if plain["transform"] == "own columns":
        return _own_columns(plain, arrays["fill"])
    if plain["transform"] != "table":
        pictures = tuple(int(side) for side in plain["shape"])
        most = {3: MAX_PIXELS, 4: MAX_VOXELS}.get(len(pictures), 0)
        if min(pictures) < 1 or math.prod(pictures[1:]) > most:
            raise ValueError(f"pictures of shape {pictures}")
        if plain["modality"] != "image" or features or bits not in (None, *range(8, 17)):
            raise ValueError("pictures with the parts of a table")
        makers: Mapping[str, Any] = {Pixels.name: Pixels, **backbones}
        scans = plain.get("scans")
        whitened = plain["transform"] == Whitened.name
        seen = makers[plain["base"] if whitened else plain["transform"]](pictures)
        if whitened:
            seen = _whitened(seen, tuple(plain["parts"]), arrays)
        return Inputs("image", (), seen, bits, None if scans is None else Scans(**scans))
    ends = np.cumsum(arrays["sorted_lengths"])
    transform = TableTransform(
        log=arrays["log"].astype(bool),
        mean=arrays["mean"],
        std=arrays["std"],
        ranked=arrays["ranked"],
        sorted=tuple(np.split(arrays["sorted"], ends[:-1])) if len(ends) else (),
        flagged=arrays["flagged"],
        rate=arrays["rate"],
    )
    modality = plain["modality"]
    if modality not in ("table", "genomics") or not all(isinstance(name, str) for name in features):
        raise ValueError("a table with the parts of pictures")
    _check_table(transform, arrays["sorted_lengths"], len(features), len(set(features)))
    time = plain.get("time")
    if time is not None and time not in range(len(features)):
        raise ValueError("a time that is no column")
    return Inputs(modality, features, transform, time=time)


def _signals(plain: dict[str, Any], arrays: Arrays) -> Inputs:
    """The inputs of a model of signals; raises as `inputs_from_parts`."""
    channels, samples = (int(side) for side in plain["shape"])
    before, after = (float(side) for side in plain["reach"])
    mean, std = arrays["mean"], arrays["std"]
    sound = (
        plain["modality"] == "signal"
        and not plain["features"]
        and 0 < channels * samples <= _MOST_SAMPLES
        and mean.shape == std.shape == (channels,)
        and mean.dtype == std.dtype == np.float64
        and bool(np.isfinite(mean).all() and (std > 0).all())
        and np.isfinite([before, after]).all()
        and min(before, after) >= 0
    )
    if not sound:
        raise ValueError("a signal's transform whose parts do not fit together")
    transform = SignalTransform(mean, std, (channels, samples))
    return Inputs("signal", (), transform, reader=str(plain["reader"]), reach=(before, after))


def _whitened(base: PictureTransform, parts: tuple[int, ...], arrays: Arrays) -> Whitened:
    """Raises `ValueError` where arrays are not what `fit_whitening` makes for the backbone."""
    mean, scale, directions, kept = (arrays[name] for name in _WHITENED)
    sound = (
        len(base.shape) == 1
        and mean.shape == scale.shape == base.shape == directions.shape[1:]
        and all(isinstance(part, int) and part > 0 for part in parts)
        and sum(parts) == base.shape[0]
        and directions.shape[:1] == kept.shape
        and len(kept) <= DIRECTIONS
        and all(a.dtype == np.float32 and np.isfinite(a).all() for a in (mean, scale, directions, kept))
        and bool((scale > 0).all() and (kept > 0).all() and (kept <= 1).all())
    )
    if not sound:
        raise ValueError("whitening whose arrays do not fit together")
    return Whitened(base, mean, scale, parts, directions, kept)


def _own_columns(plain: dict[str, Any], fill: NDArray[Any]) -> Inputs:
    features, width = tuple(plain["features"]), int(plain["width"])
    sound = (
        plain["modality"] in ("table", "genomics")
        and all(isinstance(name, str) for name in features)
        and len(set(features)) == len(features)
        and fill.shape == (len(features),)
        and fill.dtype == np.float64
        and bool(np.isfinite(fill).all())
        and max(len(features), 1) <= width <= MAX_COLUMNS
    )
    if not sound:
        raise ValueError("columns of a support set that do not fit together")
    return Inputs(plain["modality"], features, OwnColumns(fill, width))


def _check_table(t: TableTransform, lengths: NDArray[Any], columns: int, names: int) -> None:
    """Raises `ValueError` where arrays are not what `fit_table` makes for so many columns."""
    sound = (
        0 < columns == names
        and all(a.shape == (columns,) for a in (t.log, t.mean, t.std))
        and all(a.dtype == np.float64 for a in (t.mean, t.std, t.rate, *t.sorted))
        and t.flagged.shape == t.rate.shape
        and len(t.ranked) == len(t.sorted)
        and all(a.ndim == 1 and a.dtype == np.int64 for a in (t.ranked, t.flagged, lengths))
        and all(0 <= column < columns for column in (*t.ranked, *t.flagged))
        and [len(known) for known in t.sorted] == lengths.tolist()
        and bool(np.isfinite(t.mean).all() and (t.std > 0).all())
        and all(
            len(known) > 0 and np.isfinite(known).all() and (np.diff(known) >= 0).all() for known in t.sorted
        )
        and bool(((t.rate > 0) & (t.rate < 1)).all())
    )
    if not sound:
        raise ValueError("a table's transform whose arrays do not fit together")
