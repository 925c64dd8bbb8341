"""A diagnoser on disk: tensors as safetensors, the rest as JSON, a card and a signature; never a pickle."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from sklearn.utils.validation import check_is_fitted

from metadx import __version__
from metadx.algorithms import TITLES, Algorithm
from metadx.cases import inputs_from_parts, inputs_to_parts
from metadx.diagnosis.card import write_card, write_value_card
from metadx.diagnosis.content import (
    CARD,
    CONTENT,
    FORMAT,
    MODEL,
    SIGNATURE,
    SUPPORT,
    Content,
    read_content,
    read_whole,
)
from metadx.diagnosis.diagnoser import Diagnoser, Support
from metadx.diagnosis.forecaster import Forecaster, Values
from metadx.diagnosis.forget import LOST, forget
from metadx.diagnosis.model import MetaModel, check_tensors
from metadx.diagnosis.signature import fingerprint, sign, signing_key, to_bytes
from metadx.diagnosis.tree import put_together, take_apart
from metadx.durable import DiskFull, write_durably
from metadx.errors import UserError
from metadx.learners import BACKBONES, Tensors

_EXPECTED = 32
_TOLERANCE = 1e-4


def save_bundle(diagnoser: Diagnoser | Forecaster, out: str | Path, *, support: bool = True) -> Path:
    """Writes a diagnoser as a bundle: the folder `out`, which must not exist or be empty.

    Args:
        support: whether the support cases go with it; without them, `Content.lost` says what it cannot do.

    Raises:
        UserError: `out` is occupied or cannot be written, or the model needs its support cases.
    """
    check_is_fitted(diagnoser, "adapted_")
    target = Path(out)
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise UserError(f"{target}: already exists. Choose another folder, or remove it first.")
    files = _files(diagnoser, support)
    beside = target.absolute().parent
    work = beside / f".{target.name}.{uuid.uuid4().hex[:8]}"
    made = [folder for folder in (beside, *beside.parents) if not folder.exists()]
    try:
        work.mkdir(parents=True)
        for name, data in files.items():
            write_durably(work / name, data)
        if target.exists():
            target.rmdir()
        work.rename(target)
    except (OSError, DiskFull) as error:
        shutil.rmtree(work, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{target}: the bundle cannot be written ({why}).") from error
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return target


def _files(diagnoser: Diagnoser | Forecaster, support: bool) -> dict[str, bytes]:
    """Every file of a bundle."""
    model = diagnoser.fitted_
    kept = diagnoser.support_ if support else None
    if support and kept is None:
        raise UserError("this diagnoser has no support cases to save; save it with support=False")
    if not support and diagnoser.model is None:
        raise UserError(
            "a diagnoser without a meta-trained model ranks new values among those of its support cases, so a "
            "bundle needs them; save it with support=True"
        )
    structure, tensors = _adapted(diagnoser, kept is not None)
    plain, arrays = inputs_to_parts(model.inputs)
    tensors |= {f"params/{k}": v for k, v in model.params.items()}
    tensors |= {f"state/{k}": v for k, v in model.state.items()}
    tensors |= {f"inputs/{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
    files = {MODEL: save_safetensors({k: v.detach().clone().contiguous() for k, v in tensors.items()})}
    if kept is not None:
        files[SUPPORT] = save_safetensors({"x": torch.from_numpy(np.ascontiguousarray(kept.x))})
    lost = [] if support else list(LOST)
    made = f"{datetime.now(UTC).date().isoformat()}, metadx {__version__}"
    signer = fingerprint(signing_key().public_key().public_bytes_raw().hex())
    name = model.spec.algorithm.name if model.spec else ""
    method = type(model.algorithm).__name__
    said, card = _said(diagnoser, kept, TITLES.get(name, method), lost, made, signer)
    files[CARD] = card.encode()
    content = Content(
        format=FORMAT,
        metadx=__version__,
        libraries={name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "torch")},
        made=made,
        method=method,
        spec=model.spec,
        inputs=plain,
        plain=diagnoser.model is None,
        about=model.about,
        names=list(kept.names) if kept else [],
        **said,
        adapted=structure,
        expected=_expected(diagnoser, kept).tolist(),
        lost=lost,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    signed = content.model_dump_json(indent=1).encode()
    return files | {CONTENT: signed, SIGNATURE: to_bytes(sign(signed))}


def _said(
    diagnoser: Diagnoser | Forecaster,
    kept: Support | Values | None,
    title: str,
    lost: list[str],
    made: str,
    signer: str,
) -> tuple[dict[str, Any], str]:
    """What a bundle says of conditions or of values alone, and its card."""
    about = diagnoser.fitted_.about
    if isinstance(diagnoser, Forecaster):
        target = diagnoser.fitted_.target
        assert target is not None
        values = kept.y.tolist() if isinstance(kept, Values) else []
        card = write_value_card(about, title, target, diagnoser.tried_, diagnoser.count_, lost, made, signer)
        none: dict[str, Any] = {"classes": [], "labels": [], "counts": {"": diagnoser.count_}}
        return none | {"target": target, "values": values, "tried": diagnoser.tried_}, card
    counts = {str(c): int(n) for c, n in zip(diagnoser.classes_, diagnoser.counts_, strict=True)}
    labels = kept.label.tolist() if isinstance(kept, Support) else []
    said = {"classes": diagnoser.classes_.tolist(), "labels": labels, "counts": counts}
    if diagnoser.fitted_.conditions:
        said["tried"] = diagnoser.tried_
    note = diagnoser.tried_.of_conditions()
    about = about.model_copy(update={"notes": (note, *about.notes)}) if note else about
    return said, write_card(about, title, counts, lost, made, signer)


def _adapted(diagnoser: Diagnoser | Forecaster, support: bool) -> tuple[Any, Tensors]:
    """What was made of the support cases, as far as it is tensors."""
    if not support:
        return take_apart(forget(diagnoser.fitted_.algorithm, diagnoser.adapted_))
    try:
        return take_apart(diagnoser.adapted_)
    except TypeError:
        return None, {}


def _expected(diagnoser: Diagnoser | Forecaster, kept: Support | Values | None) -> NDArray[np.float64]:
    """Probabilities, or values in spreads of the target, that a bundle must give wherever it is opened."""
    inputs = diagnoser.fitted_.inputs
    if kept is not None:
        x = kept.x[:_EXPECTED]
    elif inputs.rows:
        x = np.full((1, len(inputs.features)), np.nan)
    else:
        x = np.zeros((1, *inputs.shape), np.uint8 if inputs.modality == "image" else np.float64)
    if isinstance(diagnoser, Diagnoser):
        return diagnoser.probabilities(x)
    target = diagnoser.fitted_.target
    assert target is not None
    return (diagnoser.values(x)[:, None] - target.centre) / target.spread


def load_bundle(
    path: str | Path, *, algorithm: Algorithm | None = None, signed_by: str | None = None
) -> Diagnoser | Forecaster:
    """A diagnoser, or a forecaster, from a bundle.

    What was made of the support cases is taken as it is; what is not tensors, such as trees, is made again. Either
    way it must give the probabilities that the bundle says it gives.

    Args:
        algorithm: the algorithm around a network of your own, which a bundle does not hold.
        signed_by: fingerprint of the key that must have signed it. Without it any key will do: the signature then
            shows that nothing was changed since, not by whom it was made.

    Raises:
        UserError: no bundle, changed or damaged since it was signed, signed by another key, made by a newer metadx,
            or it gives other probabilities or values here.
    """
    folder = Path(path)
    content, signer = read_content(folder)
    if signed_by is not None and signer != signed_by.strip().lower():
        raise UserError(f"{folder}: signed by the key {signer}, not {signed_by}. Ask whoever sent it.")
    files = {name: read_whole(folder, name, digest) for name, digest in content.files.items()}
    try:
        diagnoser = _opened(content, files, algorithm, folder)
        found = _expected(diagnoser, diagnoser.support_)
        wanted = np.asarray(content.expected)
        same = found.shape == wanted.shape and bool(np.allclose(found, wanted, rtol=0, atol=_TOLERANCE))
    except UserError as error:
        raise UserError(f"{folder}: {str(error).removeprefix(f'{folder}: ')}") from error
    except Exception as error:  # tensors and JSON of hostile hands raise nearly anything
        raise UserError(
            f"{folder}: the parts of this bundle do not fit together ({type(error).__name__}). Ask for it again."
        ) from error
    if not same:
        made = ", ".join(f"{name} {version}" for name, version in content.libraries.items())
        what = "values" if content.target else "probabilities"
        raise UserError(
            f"{folder}: gives other {what} here than where it was made (with {made}). Install these versions, or "
            "adapt again."
        )
    return diagnoser


def _opened(
    content: Content, files: dict[str, bytes], algorithm: Algorithm | None, folder: Path
) -> Diagnoser | Forecaster:
    tensors = load_safetensors(files[MODEL])
    model = _model(content, tensors, algorithm, folder)
    opened = _conditions if content.target is None else _values
    diagnoser = opened(content, files, model, tensors)
    if content.plain and model.inputs.features[0] != "x0":
        diagnoser.feature_names_in_ = np.asarray(model.inputs.features, dtype=object)
    return diagnoser


def _values(content: Content, files: dict[str, bytes], model: MetaModel, tensors: Tensors) -> Forecaster:
    forecaster = Forecaster(None if content.plain else model)
    if content.tried is None or content.classes or content.labels or [*content.counts] != [""]:
        raise ValueError("values with the parts of conditions")
    support = None
    if SUPPORT in files:
        x = load_safetensors(files[SUPPORT])["x"].numpy()
        y = np.asarray(content.values, dtype=np.float64)
        if not len(x) == len(y) == len(content.names) == content.counts[""] or not np.isfinite(y).all():
            raise ValueError("support cases")
        support = Values(x, y, tuple(content.names))
    if content.adapted is not None:
        adapted = put_together(content.adapted, tensors)
    else:
        assert support is not None
        adapted = forecaster.fit(support.x, support.y, support.names).adapted_
    return forecaster.restore(model, adapted, content.tried, content.counts[""], support)


def _conditions(content: Content, files: dict[str, bytes], model: MetaModel, tensors: Tensors) -> Diagnoser:
    diagnoser = Diagnoser(None if content.plain else model)
    classes = np.asarray(content.classes)
    fixed = model.conditions
    sound = tuple(content.classes) == fixed if fixed else np.array_equal(np.unique(classes), classes)
    if len({type(c) for c in content.classes}) != 1 or not sound:
        raise ValueError("conditions")
    counts = [*content.counts.values()]
    if list(content.counts) != [str(c) for c in classes]:
        raise ValueError("counts")
    support = None
    if SUPPORT in files:
        x = load_safetensors(files[SUPPORT])["x"].numpy()
        labels = np.asarray(content.labels, dtype=np.int64)
        if not len(x) == len(labels) == len(content.names) or not set(labels) <= {*range(len(classes))}:
            raise ValueError("support cases")
        if np.bincount(labels, minlength=len(classes)).tolist() != counts:
            raise ValueError("labels")
        support = Support(x, labels, tuple(content.names))
    if content.adapted is not None:
        adapted = put_together(content.adapted, tensors)
        diagnoser.restore(model, classes, counts, adapted, support, content.tried)
    else:
        assert support is not None
        diagnoser.fit(support.x, classes[support.label], support.names)
    return diagnoser


def _model(content: Content, tensors: Tensors, algorithm: Algorithm | None, folder: Path) -> MetaModel:
    arrays = {k: v.numpy() for k, v in _group(tensors, "inputs").items()}
    inputs = inputs_from_parts(content.inputs, arrays, BACKBONES)
    params, state = _group(tensors, "params"), _group(tensors, "state")
    spec = content.spec
    if spec is not None:
        if spec.input_shape != inputs.transform.shape:
            raise ValueError("input shape")
        with torch.device("meta"):  # what a spec asks for takes no memory until it is known to fit
            check_tensors(spec.build(), params, state)
        built = spec.build()
    elif algorithm is not None:
        built = algorithm
    else:
        raise UserError(
            f"{folder}: made around a network of its maker's own, which a bundle does not hold; open it in Python "
            "with load_bundle(..., algorithm=...)"
        )
    if type(built).__name__ != content.method:
        raise UserError(f"{folder}: made with {content.method}, not {type(built).__name__}")
    return MetaModel(built, params, state, inputs, spec, content.about, content.target)


def _group(tensors: Tensors, group: str) -> Tensors:
    return {name.partition("/")[2]: t for name, t in tensors.items() if name.startswith(f"{group}/")}
