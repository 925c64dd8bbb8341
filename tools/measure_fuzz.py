"""Measures how many damaged sets each reader reads rightly or refuses in one line; writes results/fuzz-*.json.

`python tools/measure_fuzz.py` does all, which takes half an hour of one core; names of readers as arguments, those
alone. It reads what `make prove` reads, with the same seeds, and needs the packages of `metadx[dev]`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from cases.test_hdf5_fuzz import fuzz as fuzz_hdf5  # noqa: E402
from cases.test_imaging_fuzz import SAMPLES, fuzz_all  # noqa: E402
from contracts.damage import damage  # noqa: E402
from contracts.readers import READERS  # noqa: E402
from metadx.studies.results import Row, write_row  # noqa: E402

COUNT = 10_000
SEED = 1

PROOFS: dict[str, Callable[[Path], Counter[str]]] = {
    **{reader.name: partial(damage, reader, count=reader.proof, seed=SEED) for reader in READERS},
    "DICOM and NIfTI files of other makers": partial(fuzz_all, each=COUNT // len(SAMPLES) + 1, seed=SEED),
    "HDF5 pictures, inside their process": lambda folder: fuzz_hdf5("pictures", folder, COUNT, SEED),
    "h5ad cells, inside their process": lambda folder: fuzz_hdf5("cells", folder, COUNT, SEED),
}


def main() -> None:
    """Runs the proofs that the arguments name, or all."""
    names = sys.argv[1:] or list(PROOFS)
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        sys.exit(f"no proof '{unknown[0]}'; there are {', '.join(PROOFS)}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            told = PROOFS[name](Path(folder))
        write_row(ROOT / "results", row(name, told))
        print(f"{name}: {said(told)}", flush=True)


def row(name: str, told: Counter[str]) -> Row:
    """The row of a proof that held: one that does not hold ends in an error and has none."""
    return Row(
        id=f"fuzz-{re.sub('[^a-z0-9]+', '-', name.lower())}",
        what=f"{name}, damaged by seed: {said(told)}",
        metric="read rightly or refused in one line, sets",
        value=told.total(),
        n=told.total(),
        target=COUNT if told.total() >= COUNT else None,
        command=f'python tools/measure_fuzz.py "{name}"',
    )


def said(told: Counter[str]) -> str:
    """The counts in words."""
    return ", ".join(f"{count:,} {what}" for what, count in sorted(told.items()))


if __name__ == "__main__":
    main()
