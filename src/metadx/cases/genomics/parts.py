"""The parts of an AnnData container that make cases: values, genes, and columns of `obs`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.columns import MISSING
from metadx.cases.genomics.container import checked, open_container
from metadx.cases.genomics.expression import MAX_VALUES
from metadx.cases.genomics.scale import describe_scale
from metadx.cases.textfile import short_text
from metadx.errors import UserError, nearest


class Parts(NamedTuple):
    """What was read: values, shape (cells, genes), their place, the genes, columns of `obs`, and what is known."""

    x: NDArray[Any]
    where: str
    genes: tuple[str, ...]
    text: tuple[NDArray[np.str_], ...]
    done: tuple[str, ...]


def read_parts(path: Path, obs: Sequence[str], layer: str | None) -> Parts:
    """Reads the values of a layer, the names of their genes, and columns of `obs`, in this process.

    Args:
        path: the container.
        obs: the columns.
        layer: as in `read_anndata`.

    Raises:
        UserError: whatever `read_anndata` refuses of them.
    """
    with open_container(path) as root:
        known = _columns(root, "obs", path)
        for name in obs:
            if name not in known:
                hint = f"; {nearest(name, known)}" if known else " (there are none)"
                raise UserError(f"{path}: no column '{name}' in obs{hint}. Name columns as obs does.")
        text = tuple(_text(root, name, path) for name in obs)
        where, var = _place(root, layer, path)
        genes = _index(root, var, path)
        x = _dense(root, where, path)
        done = _about(root, where, x)
    if x.shape != (len(text[0]), len(genes)) or any(len(column) != len(x) for column in text):
        raise UserError(f"{path}: {where} is {x.shape}, but obs and var name {len(text[0])} x {len(genes)}.")
    return Parts(x, where, tuple(genes), text, done)


def obs_cells(path: Path) -> dict[str, list[str]]:
    """Every column of `obs` as text, "" where a cell is missing, read in this process.

    Raises:
        UserError: whatever `read_anndata` refuses of the container or its `obs`.
    """
    with open_container(path) as root:
        return {name: _cells(root, name, path) for name in _columns(root, "obs", path)}


def _element(root: Any, where: str, path: Path) -> Any:
    """An element of the container as anndata reads it, once its size was checked."""
    from anndata.io import read_elem

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_elem(checked(root, where, path, MAX_VALUES))


def _columns(root: Any, table: str, path: Path) -> list[str]:
    if table not in root or not hasattr(root[table], "keys"):
        raise UserError(f"{path}: no table '{table}'. Is this AnnData, written by anndata 0.7 or newer?")
    index = root[table].attrs.get("_index", "_index")
    return [str(name) for name in root[table] if name not in (index, "__categories")]


def _index(root: Any, table: str, path: Path) -> list[str]:
    _columns(root, table, path)
    name = root[table].attrs.get("_index", "_index")
    found = [str(gene) for gene in np.asarray(_element(root, f"{table}/{name}", path)).tolist()]
    if not found or "" in found:
        raise UserError(f"{path}: {table} names no genes, or a gene without a name. Name every gene.")
    return found


def _cells(root: Any, name: str, path: Path) -> list[str]:
    import pandas

    column = pandas.Series(_element(root, f"obs/{name}", path))
    return ["" if missing else str(cell).strip() for cell, missing in zip(column, column.isna(), strict=True)]


def _text(root: Any, name: str, path: Path) -> NDArray[np.str_]:
    cells = _cells(root, name, path)
    without = [at for at, cell in enumerate(cells) if cell.lower() in MISSING]
    if without:
        raise UserError(
            f"{path}: obs['{name}'] is missing in {len(without)} of {len(cells)} cells (first: {without[0]}). "
            "Leave those out: adata[adata.obs[...].notna()]."
        )
    return short_text(cells, f"{path}: obs['{name}']")


def _place(root: Any, layer: str | None, path: Path) -> tuple[str, str]:
    """Where the values and the names of their genes lie."""
    layers = _names(root, "layers")
    if layer == "raw":
        where, var = "raw/X", "raw/var"
        sound = "raw" in root and hasattr(root["raw"], "keys") and "X" in root["raw"]
    elif layer is None:
        where, var, sound = "X", "var", "X" in root
    else:
        where, var, sound = f"layers/{layer}", "var", layer in layers
    if not sound:
        there = ", ".join((*(["X"] if "X" in root else []), *layers)) or "nothing"
        raise UserError(f"{path}: no {where}; there is {there}. Name a layer that is there.")
    return where, var


def _names(root: Any, group: str) -> Sequence[str]:
    return [str(name) for name in root[group]] if group in root and hasattr(root[group], "keys") else []


def _dense(root: Any, where: str, path: Path) -> NDArray[Any]:
    found = _element(root, where, path)
    if hasattr(found, "toarray"):
        if found.shape[0] * found.shape[1] > MAX_VALUES:
            raise UserError(
                f"{path}: {where} has {found.shape[0]:,} x {found.shape[1]:,} values, more than {MAX_VALUES:,}. "
                "Keep the most variable genes, or fewer cells."
            )
        found.check_format(full_check=True)
        found = found.toarray()
    x = np.asarray(found)
    if x.ndim != 2 or x.dtype.kind not in "fiub":
        raise UserError(f"{path}: {where} is {x.dtype} of shape {x.shape}, not numbers of cells and genes.")
    return x.astype(np.float32, copy=False)


def _about(root: Any, where: str, x: NDArray[Any]) -> tuple[str, ...]:
    """Sentences on what the values are and where raw counts lie."""
    whole = bool((np.isfinite(x) & (x >= 0) & (x == np.round(x))).all())
    if where == "X" and "log1p" in _names(root, "uns"):
        said: tuple[str, ...] = ("X is log1p by its own word (uns['log1p'])",)
    elif whole:
        said = (f"{where} holds whole numbers: counts, not logged",)
    else:
        said = describe_scale(x, None)
    counts = [f"layers['{name}']" for name in _names(root, "layers") if name == "counts"]
    counts += [".raw"] if "X" in _names(root, "raw") else []
    raw = f"raw counts in {' and '.join(counts)}, not used" if counts and "counts" not in where else ""
    none = "" if counts or whole else "no raw counts in the file"
    return (f"values of {where}", *said, *filter(None, (raw, none)))
