"""What a bundle says of itself, and which files it is made of; nothing is believed that is not signed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from metadx import __version__
from metadx.diagnosis.model import About, Spec
from metadx.diagnosis.signature import fingerprint, from_bytes, valid
from metadx.diagnosis.target import Target
from metadx.diagnosis.tried import Tried
from metadx.errors import UserError

FORMAT = 1
CONTENT, SIGNATURE, MODEL, SUPPORT, CARD = (
    "bundle.json",
    "signature.json",
    "model.safetensors",
    "support.safetensors",
    "card.md",
)
_LISTED = frozenset((MODEL, SUPPORT, CARD))
_KNOWN = _LISTED | {CONTENT, SIGNATURE}
_MOST_JSON = 64 * 1024 * 1024


class Content(BaseModel):
    """What `bundle.json` says.

    Args:
        format: version of this layout.
        metadx: version that wrote it.
        libraries: versions of the libraries that computed it.
        made: date.
        method: the algorithm's class.
        spec: how the algorithm is built.
        inputs: what it takes; see `metadx.cases.Inputs`.
        plain: whether it is a diagnoser without a meta-trained model.
        about: where it comes from.
        classes: the conditions, as they were given.
        names, labels: of each support case; empty where they were left out.
        counts: support cases of each condition.
        target: what a model of values predicts; None for conditions.
        values: of each support case, for a model of values; empty where they were left out.
        tried: what adapting a model of values was worth.
        adapted: structure of what was made of the support cases; None where it is no tensors, and is made again.
        expected: probabilities of its first support cases, or their values in spreads of the target from its
            centre; of one empty case where they were left out.
        lost: what the bundle cannot do.
        files: SHA-256 of each file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    metadx: str
    libraries: dict[str, str]
    made: str
    method: str
    spec: Spec | None
    inputs: dict[str, Any]
    plain: bool
    about: About
    classes: list[str | int | float | bool]
    names: list[str]
    labels: list[int]
    counts: dict[str, int]
    target: Target | None = None
    values: list[float] = []
    tried: Tried | None = None
    adapted: Any
    expected: list[list[float]]
    lost: list[str]
    files: dict[str, str]


def read_content(folder: Path) -> tuple[Content, str]:
    """What a bundle says of itself, and the fingerprint of the key that signed it; nothing else is opened.

    Raises:
        UserError: as `load_bundle`.
    """
    if not (folder / CONTENT).is_file():
        raise UserError(
            f"{folder}: not a bundle. Make one with `metadx adapt RUN --support FILE --out {folder}`."
        )
    for path in sorted(folder.iterdir()):
        _refuse_stray(folder, path.name, path.name in _KNOWN and path.is_file() and not path.is_symlink())
    signed, signature_file = _read(folder, CONTENT), _read(folder, SIGNATURE)
    try:
        signature = from_bytes(signature_file)
        genuine = valid(signature, signed)
    except (ValueError, RecursionError) as error:
        raise _forged(folder) from error
    if not genuine:
        raise _forged(folder)
    try:
        plain = json.loads(signed)
        if plain["format"] > FORMAT:
            raise UserError(
                f"{folder}: made by metadx {str(plain['metadx'])[:20]} in a newer layout ({plain['format']}); "
                f"this is metadx {__version__}, which reads layout {FORMAT}. Upgrade with `pip install -U metadx`."
            )
        content = Content.model_validate(plain)
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{folder}: {CONTENT} does not say what a bundle says ({type(error).__name__}). Ask for it again."
        ) from error
    for name in {MODEL, CARD} | content.files.keys():
        if name not in content.files or name not in _LISTED:
            raise UserError(f"{folder}: {CONTENT} does not say what a bundle says (files). Ask for it again.")
    for path in sorted(folder.iterdir()):
        _refuse_stray(folder, path.name, path.name in {CONTENT, SIGNATURE, *content.files})
    return content, fingerprint(signature.public_key)


def _refuse_stray(folder: Path, name: str, known: bool) -> None:
    if not known:
        raise UserError(
            f"{folder}: holds '{name}', which is no part of this bundle and is not opened. Remove it, if you know "
            "where it comes from."
        )


def _forged(folder: Path) -> UserError:
    return UserError(
        f"{folder}: no valid signature: it was changed after it was signed, or damaged. Ask for it again."
    )


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise UserError(f"{folder}: {name} is missing. Ask for the bundle again.")
    if path.stat().st_size > _MOST_JSON:
        raise UserError(f"{folder}: {name} is larger than any bundle's. Ask for it again.")
    return path.read_bytes()


def read_whole(folder: Path, name: str, digest: str) -> bytes:
    """A file of a bundle, if it is the one that was signed.

    Args:
        digest: its SHA-256.

    Raises:
        UserError: it is missing or was changed.
    """
    if not (folder / name).is_file():
        raise UserError(f"{folder}: {name} is missing. Ask for the bundle again.")
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(
            f"{folder}: {name} was changed after the bundle was signed, or damaged. Ask for it again."
        )
    return data
