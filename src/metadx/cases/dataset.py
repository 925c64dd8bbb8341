"""What the catalogue says of one public data set."""

from __future__ import annotations

import functools
import importlib.resources
from difflib import get_close_matches
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from metadx.cases.cases import Modality
from metadx.errors import UserError


class OfficialFile(BaseModel):
    """A file as its source publishes it.

    `checksum` is "md5:..." or "sha256:..."; `url` is None where it cannot be downloaded without a browser.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    checksum: str
    url: str | None = None


class AlteredCopy(BaseModel):
    """A copy known not to be the official file: its path below METADX_DATA, and what was done to it.

    `complete` copies should still hold the official number of pictures of each class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    why: str
    complete: bool = False


class FileList(BaseModel):
    """Official files by a list of SHA-256 sums beside the catalogue, and the address they all lie at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sums: str
    address: str

    def files(self) -> tuple[OfficialFile, ...]:
        """The files of the list, in its order."""
        text = _beside(self.sums)
        rows = (line.split() for line in text.splitlines())
        return tuple(
            OfficialFile(name=name, checksum=f"sha256:{digest}", url=self.address + name)
            for digest, name in rows
        )


_FEW = 6
"""Files that are worth naming one by one."""


class DataSet(BaseModel):
    """One data set: what it is, where its source and copies are, and how it is read.

    `folder` is its place below METADX_DATA. `patients` is the rule for patient ids in words; where `patient_ids`
    is false there are none, and a user must vouch for the data. `counts` are the pictures of each class, which
    verify a set that is a folder; `unpack` is the folder inside its archive. `options` go to the reader.
    `sizes` are the checksums of its larger pictures by their side; each is an entry of its own, such as
    `pathmnist_64`, and names the one it is a `size_of`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    modality: Modality
    cases: int
    size: str
    classes: int
    classes_note: str = ""
    source: str
    licence: str
    citation: str
    patients: str
    patient_ids: bool = True
    reader: Literal[
        "thyroid",
        "omniglot",
        "medmnist",
        "folders",
        "packed",
        "beats",
        "glucose",
        "visits",
        "icu",
        "ucr",
        "expression",
        "anndata",
        "clinvar",
        "windows",
        "arff",
        "heart_disease",
    ]
    installed: bool = False
    folder: str
    files: tuple[OfficialFile, ...] = ()
    unpack: str | None = None
    counts: dict[str, int] | None = None
    altered: tuple[AlteredCopy, ...] = ()
    sizes: dict[int, str] = {}
    size_of: str = ""
    options: dict[str, Any] = {}

    @property
    def verified_by(self) -> str:
        """How a copy proves to be the official one, in words."""
        if self.counts and self.files:
            return "checksum of the official archive, and pictures per class once unpacked"
        if len(self.files) > _FEW:
            return f"checksums of {len(self.files)} files"
        if self.files:
            return "checksum of " + ", ".join(f"{file.name} ({file.checksum})" for file in self.files)
        if self.counts:
            return "pictures per class only: its source publishes no checksum"
        return "nothing: its source's files are not read, only an altered copy"


@functools.cache
def entries() -> dict[str, DataSet]:
    """Every data set of the catalogue, by name."""
    plain = {
        name: _data_set(name, fields) for name, fields in yaml.safe_load(_beside("catalogue.yaml")).items()
    }
    return plain | {one.name: one for data_set in plain.values() for one in _larger(data_set)}


def _larger(data_set: DataSet) -> list[DataSet]:
    """The same set with larger pictures, one entry for each of its sizes."""
    made = []
    for side, checksum in data_set.sizes.items():
        (file,) = data_set.files
        name, change = f"{data_set.name}_{side}", (f"{data_set.name}.npz", f"{data_set.name}_{side}.npz")
        larger = file.model_copy(
            update={
                "name": file.name.replace(*change),
                "checksum": checksum,
                "url": None if file.url is None else file.url.replace(*change),
            }
        )
        told = {
            "name": name,
            "title": f"{data_set.title}, {side} pixels a side",
            "size": f"{(side / 28) ** (3 if name.endswith(f'3d_{side}') else 2):.0f} times {data_set.size}",
            "files": (larger,),
            "altered": (),
            "sizes": {},
            "size_of": data_set.name,
        }
        made.append(data_set.model_copy(update=told))
    return made


def _data_set(name: str, fields: dict[str, Any]) -> DataSet:
    listed = fields.pop("listed", None)
    if listed is not None:
        fields["files"] = FileList(**listed).files()
    return DataSet(name=name, **fields)


def _beside(name: str) -> str:
    """A text file that lies beside the catalogue."""
    return importlib.resources.files("metadx.cases").joinpath(name).read_text(encoding="utf-8")


def entry(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        UserError: there is none; names the nearest.
    """
    known = entries()
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`metadx data list` shows them all."
    raise UserError(f"no data set '{name[:60]}' in the catalogue. {hint}")
