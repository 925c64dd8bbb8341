"""Opening HDF5 and zarr containers without trusting them: no pickles, no links elsewhere, no huge claims."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from metadx.errors import UserError

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAX_METADATA = 64 * 1024**2


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HDF5)) == _HDF5


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """The root group of a `.h5ad` file, a `.zarr` folder or a zipped one.

    Raises:
        UserError: anndata is not installed, the container is absent or damaged, or whatever reading it raises.
    """
    try:
        import anndata  # noqa: F401  what will read the elements
        import h5py
        import zarr
    except ModuleNotFoundError:
        raise UserError("reading AnnData needs `pip install 'metadx[genomics]'`") from None
    if not path.exists():
        raise UserError(f"{path}: no such file. Mend the path.")
    try:
        with ExitStack() as stack:
            if is_hdf5(path):
                yield stack.enter_context(h5py.File(path, "r"))
            elif path.is_dir() or zipfile.is_zipfile(path):
                _refuse_pickles(_metadata(path), path)
                store: Any = path
                if path.is_file():
                    store = stack.enter_context(zarr.storage.ZipStore(path, mode="r"))
                yield zarr.open_group(store, mode="r", use_consolidated=False)
            else:
                raise UserError(f"{path}: neither HDF5 nor zarr. Is this AnnData, and whole?")
    except UserError:
        raise
    except Exception as why:  # a damaged container raises whatever the code that met the damage does
        said = " ".join(str(why).split())[:200] or type(why).__name__
        raise UserError(f"{path}: not AnnData that can be read ({said}). Write or get it again.") from why


def checked(root: Any, where: str, path: Path, most: int) -> Any:
    """The element at `where`, if it and all below it is in this file and holds at most `most` values.

    Raises:
        UserError: a link to another file, or more values than that.
        KeyError: there is none.
    """
    _refuse_links(root, where, path)
    element = root[where]
    for array in _arrays(element, f"{path}: {where}"):
        width = max(1, getattr(array.dtype, "itemsize", 8)) / 8
        claims = (array.shape, getattr(array, "chunks", None) or ())
        if any(math.prod(shape) * max(width, 1) > most for shape in claims):
            raise UserError(
                f"{path}: {where} claims {tuple(array.shape)} values, more than {most:,}. Keep fewer cells "
                "or genes."
            )
        if getattr(array, "external", None) or getattr(array, "is_virtual", False):
            raise UserError(f"{path}: {where} lies in another file. Copy it into this one.")
    return element


def _refuse_links(root: Any, where: str, path: Path) -> None:
    import h5py

    at = root
    for name in where.split("/"):
        if isinstance(at, h5py.Group) and not isinstance(at.get(name, getlink=True), h5py.HardLink):
            raise UserError(f"{path}: {where} is a link. Copy what it points to into this file.")
        at = at[name]


def _arrays(element: Any, what: str, depth: int = 0) -> Iterator[Any]:
    if not hasattr(element, "keys"):
        yield element
        return
    if depth > 3:
        raise UserError(f"{what}: groups within groups within groups. Write it again with anndata.")
    for name in element:
        _refuse_links(element, name, Path(what))
        yield from _arrays(element[name], what, depth + 1)


def _metadata(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        for name in _METADATA:
            for file in path.rglob(name):
                yield _bounded(file.stat().st_size, path) or file.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.rpartition("/")[2] in _METADATA:
                yield _bounded(info.file_size, path) or archive.read(info)


def _bounded(size: int, path: Path) -> bytes:
    if size > _MAX_METADATA:
        raise UserError(f"{path}: {size:,} bytes of metadata. Is this zarr?")
    return b""


def _refuse_pickles(documents: Iterable[bytes], path: Path) -> None:
    """A zarr array can name pickle as its codec, and reading it would run whatever the file says."""
    for document in documents:
        if any("pickle" in word.lower() for word in _words(json.loads(document))):
            raise UserError(f"{path}: stores values as pickles, which can run code. Write it again without.")


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
