"""Reading HDF5 in a process of its own: on some damaged files its library crashes, or never ends."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metadx.cases.genomics.parts import Parts, obs_cells, read_parts
from metadx.errors import UserError

_PATIENCE = 120.0
_BYTES_PER_SECOND = 5e6
_RUN = "from metadx.cases.genomics.apart import main; main()"


def read_apart(path: Path, obs: Sequence[str], layer: str | None) -> Parts:
    """As `read_parts`, in another process, which has two minutes, and longer for a large file.

    Raises:
        UserError: what `read_parts` raises, or the process crashed or did not end.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = _asked({"path": str(path), "obs": list(obs), "layer": layer, "folder": folder}, path)
        x = np.load(Path(folder) / "x.npy", allow_pickle=False)
        text = tuple(np.load(Path(folder) / f"text{at}.npy", allow_pickle=False) for at in range(len(obs)))
        return Parts(x, said["where"], tuple(said["genes"]), text, tuple(said["done"]))


def obs_apart(path: Path) -> dict[str, list[str]]:
    """As `obs_cells`, in another process, as `read_apart`."""
    with tempfile.TemporaryDirectory() as folder:
        cells: dict[str, list[str]] = _asked({"path": str(path), "folder": folder}, path)["cells"]
        return cells


def _asked(question: dict[str, Any], path: Path) -> dict[str, Any]:
    """What the other process answers."""
    limit = _PATIENCE + path.stat().st_size / _BYTES_PER_SECOND
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _RUN, json.dumps(question)],
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{path}: reading it did not end within {limit:.0f} s. Is the file damaged?"
        ) from None
    answer = Path(question["folder"]) / "answer.json"
    if not answer.is_file():
        raise UserError(
            f"{path}: reading it crashed the HDF5 library (exit code {ended.returncode}). The file is damaged, "
            "or does not fit into memory."
        )
    said: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "refused" in said:
        raise UserError(said["refused"])
    return said


def main() -> None:
    """What the other process does: reads what the first argument asks for, and leaves the answer in a folder."""
    asked = json.loads(sys.argv[1])
    folder = Path(asked["folder"])
    answer: dict[str, object]
    try:
        if "obs" not in asked:
            answer = {"cells": obs_cells(Path(asked["path"]))}
            (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
            return
        parts = read_parts(Path(asked["path"]), asked["obs"], asked["layer"])
    except UserError as why:
        answer = {"refused": str(why)}
    else:
        np.save(folder / "x.npy", parts.x, allow_pickle=False)
        for at, column in enumerate(parts.text):
            np.save(folder / f"text{at}.npy", column, allow_pickle=False)
        answer = {"where": parts.where, "genes": parts.genes, "done": parts.done}
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
