"""`Cases`: aligned arrays of what was observed, of whom, where, and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metadx.cases.stored import Stored
from metadx.errors import UserError

_CHUNK = 1 << 26  # bytes

Modality = Literal["table", "image", "signal", "genomics"]

EVERY_CASE_ITS_OWN_PATIENT = "every case is a different patient"
"""The words with which a user vouches for data that carry no patient ids."""


@dataclass(frozen=True)
class Provenance:
    """Where cases came from and what was done to them.

    `notes` are sentences that every report repeats, such as who vouched for missing patient ids.
    """

    source: str
    licence: str = "unknown"
    checksum: str = ""
    preprocessing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cases:
    """Labelled observations, one row of every array per case.

    Args:
        x: observations, shape (cases, ...). Tables are float with NaN where a value is missing; images are
            uint8, (cases, channels, height, width), 0 to 255, in memory or `Stored` on disk.
        y: index into `classes`, shape (cases,); or the target itself, float, where `classes` is empty.
        patient: whose case it is, shape (cases,), text.
        classes: the name of each condition; empty for regression.
        modality: what kind of observation `x` is.
        provenance: source, licence, checksum, preprocessing.
        site: where the case was observed, shape (cases,), text, or None.
        time: when it was observed, shape (cases,), sortable, or None.
        reach: how far before and after its time a case's window and target reach, in units of `time`.
        features: the name of each column of a table; empty otherwise.
        name: what the source calls each case, such as a picture's path, shape (cases,), text, or None.
        group: what each case is about besides its condition, such as the gene of a variant, shape (cases,), text,
            or None. Tasks along genes are drawn from it; cases of no group have "".
        details: what else the source tells of each case, such as the view of a radiograph, by name; each of shape
            (cases,), text.
        quantity, unit: what the target value is and what it is measured in, for regression.
        reader: what reads a file of one more person into such cases; empty where columns have names.

    Raises:
        UserError: the arrays are empty, not aligned, hold NaN labels or labels that `classes` does not name.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    patient: NDArray[np.str_]
    classes: tuple[str, ...]
    modality: Modality
    provenance: Provenance
    site: NDArray[np.str_] | None = None
    time: NDArray[Any] | None = None
    features: tuple[str, ...] = field(default=())
    name: NDArray[np.str_] | None = None
    group: NDArray[np.str_] | None = None
    details: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    reach: tuple[float, float] = (0.0, 0.0)
    quantity: str = ""
    unit: str = ""
    reader: str = ""

    def __post_init__(self) -> None:
        n = len(self.x)
        if n == 0:
            raise UserError(f"{self.provenance.source}: no cases. Give at least one labelled case.")
        columns = {name: getattr(self, name) for name in ("y", "patient", "site", "time", "name", "group")}
        for name, column in {**columns, **self.details}.items():
            if column is not None and len(column) != n:
                raise UserError(
                    f"{self.provenance.source}: {n} cases but {len(column)} values of '{name}'. "
                    "Give one value per case."
                )
        _check_labels(self.y, self.classes, self.provenance.source)
        blank = np.flatnonzero(np.char.strip(self.patient.astype(str)) == "")
        if len(blank):
            raise UserError(
                f"{self.provenance.source}: {len(blank)} cases have no patient id (first: case {blank[0]}). "
                "Fill the patient column: cases of one patient must stay on one side of every split."
            )
        if self.features and self.x.shape[1:] != (len(self.features),):
            raise UserError(
                f"{self.provenance.source}: {len(self.features)} feature names for rows of shape "
                f"{self.x.shape[1:]}. Name every column once."
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def regression(self) -> bool:
        """Whether `y` is a target value rather than a condition."""
        return not self.classes

    @property
    def time_column(self) -> int | None:
        """The first column of a table that is the time of the case, if there is one."""
        if not self.features or self.time is None or self.time.dtype.kind not in "iuf":
            return None
        columns = range(self.x.shape[1])
        return next((c for c in columns if np.array_equal(self.x[:, c], self.time)), None)

    def select(self, index: ArrayLike) -> Cases:
        """The cases at `index` (integers or a mask), with the same classes."""
        at = np.asarray(index)
        every: Any = self.x
        x: Any = every.select(at) if isinstance(every, Stored) else every[at]
        return replace(
            self,
            x=x,
            y=self.y[at],
            patient=self.patient[at],
            site=None if self.site is None else self.site[at],
            time=None if self.time is None else self.time[at],
            name=None if self.name is None else self.name[at],
            group=None if self.group is None else self.group[at],
            details={name: column[at] for name, column in self.details.items()},
        )

    def of_conditions(self, names: Sequence[str]) -> Cases:
        """The cases of the conditions `names`, relabelled so that `classes` is `names`.

        Raises:
            UserError: a name is not among `classes`.
        """
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise UserError(f"unknown conditions {unknown}; known are {list(self.classes)}")
        relabel = np.full(len(self.classes), -1)
        for new, name in enumerate(names):
            relabel[self.classes.index(name)] = new
        label = relabel[self.y]
        kept = self.select(label >= 0)
        return replace(kept, y=label[label >= 0], classes=tuple(names))

    def counts(self) -> dict[str, int]:
        """Number of cases of each condition."""
        return dict(zip(self.classes, np.bincount(self.y, minlength=len(self.classes)).tolist(), strict=True))

    def fingerprint(self) -> str:
        """A short digest of labels, patients and observations: two equal ones are the same cases."""
        digest = hashlib.sha256()
        for part in (self.y, self.patient.astype(str), self.x):
            step = max(1, _CHUNK // max(1, part[:1].nbytes))
            for start in range(0, len(part), step):
                digest.update(np.ascontiguousarray(part[start : start + step]).tobytes())
        digest.update("\x1f".join(self.classes).encode())
        return digest.hexdigest()[:16]


def _check_labels(y: NDArray[Any], classes: tuple[str, ...], source: str) -> None:
    if y.dtype.kind == "f" and not np.all(np.isfinite(y)):
        bad = np.flatnonzero(~np.isfinite(y))
        raise UserError(
            f"{source}: {len(bad)} labels are missing or infinite (first: case {bad[0]}). "
            "Fill them in or leave those cases out."
        )
    if not classes:
        return
    if y.dtype.kind not in "iu":
        raise UserError(f"{source}: labels of conditions must be whole numbers, not {y.dtype}")
    if len(y) and (y.min() < 0 or y.max() >= len(classes)):
        raise UserError(
            f"{source}: labels run from {y.min()} to {y.max()} but there are {len(classes)} classes. "
            "Number them from 0."
        )
    if len(set(classes)) != len(classes):
        raise UserError(f"{source}: two classes have the same name: {sorted(classes)}")
