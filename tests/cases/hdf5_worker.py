"""Reading damaged HDF5 files one after the other in a process that may crash: what it says is read by another."""

from __future__ import annotations

import faulthandler
import sys
import warnings
from pathlib import Path

import numpy as np

from cases.mutations import damaged
from metadx.cases.genomics.parts import read_parts
from metadx.cases.hdf5_child import pictures_of
from metadx.errors import UserError

LIMIT = 1_000_000
PATIENCE = 20
"""Seconds after which reading one small file counts as never ending, and the process ends."""


def read(kind: str, path: Path) -> None:
    """Reads a damaged file as the process of its reader does; what is read must be sound."""
    if kind == "pictures":
        pictures = pictures_of(path, "images", None, None, LIMIT)
        assert pictures.dtype == np.uint8
        assert pictures.ndim == 4
        return
    parts = read_parts(path, ("cell_type", "donor"), None)
    assert parts.x.ndim == 2
    assert parts.x.shape == (len(parts.text[0]), len(parts.genes))


def main() -> None:
    """Arguments: kind, the sound file, where to write damaged ones, seed, the first number and the last."""
    kind, sound, place = sys.argv[1], Path(sys.argv[2]).read_bytes(), Path(sys.argv[3])
    seed, first, last = (int(argument) for argument in sys.argv[4:])
    warnings.simplefilter("ignore")
    import metadx.cases.genomics.parts

    metadx.cases.genomics.parts.MAX_VALUES = LIMIT
    for number in range(first, last):
        place.write_bytes(damaged(sound, np.random.default_rng([seed, number])))
        print(f"begin {number}", flush=True)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            read(kind, place)
        except AssertionError:
            raise
        except UserError as why:
            print("refused" if "\n" not in str(why) else "several lines", flush=True)
        except Exception:
            if kind != "pictures":  # what pictures_of raises becomes one line in the process that asked
                raise
            print("refused", flush=True)
        else:
            print("read", flush=True)


if __name__ == "__main__":
    main()
