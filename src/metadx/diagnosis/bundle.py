"""A diagnoser on disk: tensors as safetensors, the rest as JSON, a card and a signature; never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from metadx import __version__
from metadx.algorithms import TITLES, Algorithm
from metadx.cases import Inputs, inputs_from_parts, inputs_to_parts
from metadx.diagnosis.card import write_card
from metadx.diagnosis.diagnoser import Diagnoser
from metadx.diagnosis.forget import LOST, forget
from metadx.diagnosis.model import About, MetaModel, Spec
from metadx.diagnosis.signature import Signature, fingerprint, sign, signing_key, valid
from metadx.diagnosis.tree import put_together, take_apart
from metadx.errors import UserError
from metadx.learners import Tensors

FORMAT = 1
_CONTENT, _SIGNATURE, _MODEL, _SUPPORT, _CARD = (
    "bundle.json",
    "signature.json",
    "model.safetensors",
    "support.safetensors",
    "card.md",
)
_MOST_JSON = 64 * 1024 * 1024


class Content(BaseModel):
    """What `bundle.json` says.

    Args:
        format: version of this layout.
        metadx: version that wrote it.
        made: date.
        spec: how the algorithm is built.
        inputs: what it takes; see `metadx.cases.Inputs`.
        about: where it comes from.
        classes: the conditions, as they were given.
        names, labels: of each support case; empty where they were left out.
        counts: support cases of each condition.
        adapted: structure of what was made of the support cases, where those were left out.
        lost: what the bundle cannot do.
        files: SHA-256 of each file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    metadx: str
    made: str
    spec: Spec | None
    inputs: dict[str, Any]
    about: About
    classes: list[str | int | float | bool]
    names: list[str]
    labels: list[int]
    counts: dict[str, int]
    adapted: Any
    lost: list[str]
    files: dict[str, str]


def save_bundle(diagnoser: Diagnoser, out: str | Path, *, support: bool = True) -> Path:
    """Writes a diagnoser as a bundle: the folder `out`, which must not exist or be empty.

    Args:
        support: whether the support cases go with it; without them, `Content.lost` says what it cannot do.

    Raises:
        UserError: `out` is occupied, or the model needs its support cases.
    """
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target}: already exists. Choose another folder, or remove it first.")
    files, content = _files(diagnoser, support)
    work = target.absolute().parent / f".{target.name}.{uuid.uuid4().hex[:8]}"
    try:
        work.mkdir(parents=True)
        for name, data in files.items():
            (work / name).write_bytes(data)
        signed = content.model_dump_json(indent=1).encode()
        (work / _CONTENT).write_bytes(signed)
        (work / _SIGNATURE).write_text(json.dumps(sign(signed)._asdict()) + "\n", encoding="utf-8")
        if target.exists():
            target.rmdir()
        work.rename(target)
    except OSError as error:
        raise UserError(
            f"{target}: the bundle cannot be written ({os.strerror(error.errno or 0)})."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _files(diagnoser: Diagnoser, support: bool) -> tuple[dict[str, bytes], Content]:
    model = diagnoser.fitted_
    if diagnoser.support_ is None and support:
        raise UserError("this diagnoser has no support cases to save; save it with support=False")
    plain, arrays = inputs_to_parts(model.inputs)
    tensors = {f"params/{k}": v for k, v in model.params.items()}
    tensors |= {f"state/{k}": v for k, v in model.state.items()}
    tensors |= {f"inputs/{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
    files: dict[str, bytes] = {}
    structure = None
    kept = diagnoser.support_ if support else None
    if kept is not None:
        files[_SUPPORT] = save_safetensors({"x": torch.from_numpy(np.ascontiguousarray(kept.x))})
    else:
        structure, adapted = take_apart(forget(model.algorithm, diagnoser.adapted_))
        tensors |= adapted
    files[_MODEL] = save_safetensors({k: v.contiguous() for k, v in tensors.items()})
    counts = {str(c): int(n) for c, n in zip(diagnoser.classes_, diagnoser.counts_, strict=True)}
    lost = [] if support else list(LOST)
    made = f"{datetime.now(UTC).date().isoformat()}, metadx {__version__}"
    signer = fingerprint(signing_key().public_key().public_bytes_raw().hex())
    name = model.spec.algorithm.name if model.spec else ""
    method = TITLES.get(name, type(model.algorithm).__name__)
    files[_CARD] = write_card(model.about, method, counts, lost, made, signer).encode()
    content = Content(
        format=FORMAT,
        metadx=__version__,
        made=made,
        spec=model.spec,
        inputs=plain,
        about=model.about,
        classes=diagnoser.classes_.tolist(),
        names=list(kept.names) if kept else [],
        labels=kept.label.tolist() if kept else [],
        counts=counts,
        adapted=structure,
        lost=lost,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    return files, content


def load_bundle(
    path: str | Path, *, algorithm: Algorithm | None = None, signed_by: str | None = None
) -> Diagnoser:
    """A diagnoser from a bundle, adapted again to the support cases that came with it.

    Args:
        algorithm: the algorithm around a network of your own, which a bundle does not hold.
        signed_by: fingerprint of the key that must have signed it. Without it any key will do: the signature then
            shows that nothing was changed since, not by whom it was made.

    Raises:
        UserError: no bundle, changed or damaged since it was signed, signed by another key, or made by a newer
            metadx.
    """
    folder = Path(path)
    content, signer = read_content(folder)
    if signed_by is not None and signer != signed_by.strip().lower():
        raise UserError(f"{folder}: signed by the key {signer}, not {signed_by}. Ask whoever sent it.")
    files = {name: _whole(folder, name, digest) for name, digest in content.files.items()}
    try:
        tensors = load_safetensors(files[_MODEL])
        arrays = {k: v.numpy() for k, v in _group(tensors, "inputs").items()}
        model = _model(content, tensors, inputs_from_parts(content.inputs, arrays), algorithm, folder)
        diagnoser = Diagnoser(model)
        if content.adapted is not None:
            return diagnoser.restore(
                np.asarray(content.classes),
                [*content.counts.values()],
                put_together(content.adapted, tensors),
            )
        x = load_safetensors(files[_SUPPORT])["x"].numpy()
        labels = np.asarray(content.classes)[np.asarray(content.labels)]
        return diagnoser.fit(x, labels, content.names)
    except (SafetensorError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}: the parts of this bundle do not fit together ({error}).") from error


def read_content(folder: Path) -> tuple[Content, str]:
    """What a bundle says of itself, and the fingerprint of the key that signed it; nothing else is opened.

    Raises:
        UserError: as `load_bundle`.
    """
    if not (folder / _CONTENT).is_file():
        raise UserError(
            f"{folder}: not a bundle. Make one with `metadx adapt RUN --support FILE --out {folder}`."
        )
    stray = sorted(
        p.name for p in folder.iterdir() if p.name not in _KNOWN or p.is_symlink() or not p.is_file()
    )
    if stray:
        raise UserError(
            f"{folder}: holds '{stray[0]}', which is no part of a bundle and is not opened. Remove it, if you know "
            "where it comes from."
        )
    signed = _read(folder, _CONTENT)
    try:
        signature = Signature(**json.loads(_read(folder, _SIGNATURE)))
        genuine = valid(signature, signed)
    except (ValueError, TypeError, RecursionError, UserError):
        genuine = False
    if not genuine:
        raise UserError(
            f"{folder}: no valid signature: it was changed after it was signed, or damaged. Ask for it again."
        )
    try:
        plain = json.loads(signed)
        if plain["format"] > FORMAT:
            raise UserError(
                f"{folder}: made by metadx {plain['metadx']} in a newer layout ({plain['format']}); this is metadx "
                f"{__version__}, which reads layout {FORMAT}. Upgrade with `pip install -U metadx`."
            )
        content = Content.model_validate(plain)
    except UserError:
        raise
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{folder}: {_CONTENT} does not say what a bundle says ({type(error).__name__})."
        ) from error
    return content, fingerprint(signature.public_key)


_KNOWN = frozenset((_CONTENT, _SIGNATURE, _MODEL, _SUPPORT, _CARD))


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise UserError(f"{folder}: {name} is missing. Ask for the bundle again.")
    if path.stat().st_size > _MOST_JSON:
        raise UserError(f"{folder}: {name} is larger than any bundle's.")
    return path.read_bytes()


def _whole(folder: Path, name: str, digest: str) -> bytes:
    if name not in _KNOWN or not (folder / name).is_file():
        raise UserError(f"{folder}: {name} is missing. Ask for the bundle again.")
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(
            f"{folder}: {name} was changed after the bundle was signed, or damaged. Ask for it again."
        )
    return data


def _model(
    content: Content, tensors: Tensors, inputs: Inputs, algorithm: Algorithm | None, folder: Path
) -> MetaModel:
    if content.spec is None and algorithm is None:
        raise UserError(
            f"{folder}: made around a network of its maker's own, which a bundle does not hold; open it in Python "
            "with load_bundle(..., algorithm=...)"
        )
    built = content.spec.build() if content.spec else algorithm
    assert built is not None
    params, state = _group(tensors, "params"), _group(tensors, "state")
    return MetaModel(built, params, state, inputs, content.spec, content.about)


def _group(tensors: Tensors, group: str) -> Tensors:
    return {name.partition("/")[2]: t for name, t in tensors.items() if name.startswith(f"{group}/")}
