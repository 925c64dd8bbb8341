"""A checkpoint on disk: one safetensors file whose header holds the JSON, so that the two cannot disagree."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from metadx.durable import write_durably
from metadx.errors import UserError
from metadx.learners import Tensors

LATEST, BEFORE = "checkpoint.safetensors", "checkpoint.previous.safetensors"


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Args:
        tensors, numbers: where training stands; see `metadx.training.standing`.
        origin: what the run is made from, such as its recipe and fingerprints of its data; JSON.
    """

    tensors: Tensors
    numbers: dict[str, Any]
    origin: dict[str, Any]

    @property
    def step(self) -> int:
        """Outer steps done."""
        return int(self.numbers["step"])


class Damaged(UserError):
    """A checkpoint cannot be read."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Makes it the folder's latest checkpoint; the latest so far becomes the one before.

    Raises:
        DiskFull: there is no room for it; those that are there stay.
    """
    text = json.dumps({"numbers": checkpoint.numbers, "origin": checkpoint.origin})
    tensors = {name: value.cpu().contiguous() for name, value in checkpoint.tensors.items()}
    header = {"checkpoint": text, "sha256": _digest(tensors, text)}
    write_durably(folder / LATEST, save(tensors, metadata=header), keep=folder / BEFORE)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The latest checkpoint; where it is damaged it is removed, and the one before is read. None without any.

    Raises:
        Damaged: all there are; says why.
    """
    said = []
    for path in (folder / LATEST, folder / BEFORE):
        if not path.exists():
            continue
        try:
            found = _read(path)
        except Damaged as error:
            said.append(str(error))
            continue
        if said:
            (folder / LATEST).unlink()
        return found
    if said:
        raise Damaged(f"{'; '.join(said)}. There is no other to go on from: remove {folder} and train again.")
    return None


def has_checkpoint(folder: Path) -> bool:
    """Whether there is any, readable or not."""
    return (folder / LATEST).exists() or (folder / BEFORE).exists()


def remove_checkpoints(folder: Path) -> None:
    """Removes them, and what a killed process left half-written."""
    for path in (folder / LATEST, folder / BEFORE, *folder.glob(".*.part")):
        path.unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint:
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.get("sha256") != _digest(tensors, header.get("checkpoint", "")):
            raise ValueError("its digest is not that of its content")
        content = json.loads(header["checkpoint"])
        return Checkpoint(tensors, content["numbers"], content["origin"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise Damaged(f"{path} is damaged ({' '.join(str(error).split())[:120]})") from error


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
