"""The cache of the package `openml`: where its files lie, and what its descriptions say; nothing is unpickled."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from metadx.errors import UserError

_MOST_BYTES = 20_000_000
_SPACE = "{http://openml.org/openml}"


class Description(NamedTuple):
    """What OpenML says of a data set.

    Args:
        number, name, version: of the data set.
        target: the column to diagnose, or "".
        left_out: columns that are no features: row numbers, and what its uploader says to ignore.
        licence, citation, md5: "" where not said; the checksum is of the ARFF file.
        tags: words that users put to it.
        active: whether it is in order; others were withdrawn or are being checked.
    """

    number: int
    name: str
    version: str
    target: str
    left_out: tuple[str, ...]
    licence: str
    citation: str
    md5: str
    tags: tuple[str, ...]
    active: bool


class Held(NamedTuple):
    """A data set in the cache: its description, and its ARFF or Parquet file."""

    description: Description
    file: Path


def package() -> Any:
    """The package `openml`.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module("openml")
    except ImportError:
        raise UserError("data sets of OpenML need `pip install 'metadx[openml]'`") from None


def folder() -> Path:
    """The cache of the server that the package is set to."""
    return Path(package().config.get_cache_directory())


def find_data(number: int) -> Held | None:
    """A data set that is in the cache whole; None if it is not.

    Raises:
        UserError: its description cannot be read.
    """
    place = folder() / "datasets" / str(number)
    described = place / "description.xml"
    files = [place / "dataset.arff", place / f"dataset_{number}.pq", place / "dataset.pq"]
    file = next((f for f in files if f.is_file()), None)
    if file is None or not described.is_file():
        return None
    return Held(read_description(described, number), file)


def read_description(path: Path, number: int) -> Description:
    """The description of a data set.

    Raises:
        UserError: no sound XML, or of another data set.
    """
    root = _xml(path, "data_set_description")
    if _text(root, "id") != str(number):
        other = _text(root, "id")[:20]
        raise UserError(f"{path}: describes data set {other}, not {number}. Remove it and get it again.")
    left_out = [word.strip() for word in _texts(root, "ignore_attribute") for word in word.split(",")]
    left_out += _texts(root, "row_id_attribute")
    targets = [t.strip() for t in _text(root, "default_target_attribute").split(",") if t.strip()]
    if len(targets) > 1:
        targets = []  # several targets: which one is a choice that the name must make
    return Description(
        number,
        _text(root, "name"),
        _text(root, "version"),
        targets[0] if targets else "",
        tuple(dict.fromkeys(word for word in left_out if word)),
        _text(root, "licence"),
        _text(root, "citation"),
        _text(root, "md5_checksum"),
        tuple(_texts(root, "tag")),
        _text(root, "status") in ("", "active"),
    )


def find_task(number: int) -> tuple[int, str] | None:
    """The data set and the target of a task whose description is in the cache; None if it is not.

    Raises:
        UserError: it cannot be read, or has no one target.
    """
    path = folder() / "tasks" / str(number) / "task.xml"
    if not path.is_file():
        return None
    root = _xml(path, "task")
    for given in root.iter(f"{_SPACE}data_set"):
        data, target = _text(given, "data_set_id"), _text(given, "target_feature")
        if data.isdigit() and target:
            return int(data), target
    raise UserError(
        f"{path}: a task without a target to diagnose. Choose a classification or regression task."
    )


def _xml(path: Path, kind: str) -> ElementTree.Element:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: larger than {_MOST_BYTES // 1_000_000} MB. Remove it and get it again.")
        content = path.read_bytes()
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise UserError(f"{path}: holds entities, which OpenML's descriptions do not. Remove it.")
        root = ElementTree.fromstring(content)  # entities are refused above
    except UserError:
        raise
    except (ElementTree.ParseError, OSError, ValueError) as why:
        said = " ".join(str(why).split())[:80]
        raise UserError(f"{path}: no sound XML ({said}). Remove it and get it again.") from why
    if root.tag != f"{_SPACE}{kind}":
        raise UserError(f"{path}: no {kind} of OpenML. Remove it and get it again.")
    return root


def _texts(root: ElementTree.Element, name: str) -> list[str]:
    return [(found.text or "").strip() for found in root.findall(f"{_SPACE}{name}")]


def _text(root: ElementTree.Element, name: str) -> str:
    return next(iter(_texts(root, name)), "")
